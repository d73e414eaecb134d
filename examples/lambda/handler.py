"""A Lambda function that asks reeve where the worker `chat` is. It keeps no secret.

The function proves its IAM role: it signs GetCallerIdentity for the fleet, and the host asks STS
whose signature that is. The host returns a token, which is used until the host refuses it with 401.

REEVE_URL    the host's network door, such as https://reeve.internal:7443
REEVE_FLEET  the fleet's name, `[host] fleet`; a signature for one fleet is of no use to another
REEVE_CA     optional: a file with the certificate of the CA that signed the host's
"""
import json, os, boto3, urllib3
from botocore import auth, awsrequest

HOST, FLEET, REGION = (os.environ[name] for name in ("REEVE_URL", "REEVE_FLEET", "AWS_REGION"))
http = urllib3.PoolManager(ca_certs=os.environ.get("REEVE_CA"))  # its headers keep the token


def login():
    sts = awsrequest.AWSRequest("POST", f"https://sts.{REGION}.amazonaws.com/", {"x-reeve-audience": FLEET})
    sts.data = "Action=GetCallerIdentity&Version=2011-06-15"
    auth.SigV4Auth(boto3.Session().get_credentials().get_frozen_credentials(), "sts", REGION).add_auth(sts)
    signed = {name: sts.headers[name] for name in ("authorization", "x-amz-date", "x-amz-security-token")}
    reply = http.request("POST", f"{HOST}/v1/login", body=json.dumps({"region": REGION, **signed}), headers={})
    http.headers["authorization"] = "Bearer " + json.loads(reply.data)["token"]  # no token: refused


def handler(event, context):
    while (reply := http.request("POST", f"{HOST}/v1/workers/chat/resolve?wait=30s")).status == 401:
        login()
    return json.loads(reply.data)
