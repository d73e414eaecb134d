"""Prints a box's proof by the role of its task or instance: the member `login` of a register.

It signs GetCallerIdentity for the fleet with the credentials that AWS gives the task or instance, and sends nothing.
REEVE_FLEET is the fleet's name, `[host] fleet`; AWS_REGION is the region.
"""
import json, os, boto3
from botocore import auth, awsrequest

FLEET, REGION = (os.environ[name] for name in ("REEVE_FLEET", "AWS_REGION"))
sts = awsrequest.AWSRequest("POST", f"https://sts.{REGION}.amazonaws.com/", {"x-reeve-audience": FLEET})
sts.data = "Action=GetCallerIdentity&Version=2011-06-15"
auth.SigV4Auth(boto3.Session().get_credentials().get_frozen_credentials(), "sts", REGION).add_auth(sts)
signed = {name: sts.headers[name] for name in ("authorization", "x-amz-date", "x-amz-security-token")}
print('"login":', json.dumps({"region": REGION, **signed}))
