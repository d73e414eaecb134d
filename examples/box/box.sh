#!/bin/sh
# A box's whole part: it registers, sends heartbeats, and says so when it has work while its instance is to be ended.
# REEVE_URL (https://reeve.internal:7434), REEVE_WORKER, REEVE_CA. The proof is EC2's document, or what REEVE_PROOF prints
# (`python3 proof.py`: the role of a task or an instance), or REEVE_SECRET with REEVE_INSTANCE.
# is_working is yours: it succeeds while there is work.
imds() { curl -sf -H "X-aws-ec2-metadata-token: $(curl -sfX PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' \
  http://169.254.169.254/latest/api/token)" "http://169.254.169.254/latest/$1" | tr -d '\n'; }
proof() { if [ "$REEVE_SECRET" ]; then echo "\"instance\": \"$REEVE_INSTANCE\", \"secret\": \"$REEVE_SECRET\""
  elif [ "$REEVE_PROOF" ]; then $REEVE_PROOF
  else echo "\"document\": \"$(imds dynamic/instance-identity/rsa2048)\""; fi; }
say() { curl -s --cacert "$REEVE_CA" -w '\n%{http_code}\n' -H "Authorization: Bearer $token" -d "$2" \
  "$REEVE_URL/v1/workers/$REEVE_WORKER/$1"; }                       # the response, and its status in the last line
field() { echo "$reply" | sed -n "s/.*\"$1\":\"\{0,1\}\([^\",}]*\).*/\1/p"; }
status() { echo "$reply" | tail -n 1; }
register() { nonce=$(cat /proc/sys/kernel/random/uuid)
  until reply=$(say register "{\"nonce\": \"$nonce\", $(proof)}"); [ "$(status)" = 200 ]; do
    [ "$(status)" = 409 ] && exit; sleep 5; done                    # 409: another instance has taken over
  token=$(field token); }
register
while :; do reply=$(say heartbeat '{}')
  case $(status) in 200) new=$(field token); token=${new:-$token} ;; 401) register ;; 409) exit ;; esac
  if [ "$(field ending_in_ms)" ] && is_working; then say busy '{"for_ms": 600000}'; fi
  sleep 20
done
