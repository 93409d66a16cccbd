#!/usr/bin/env bash
# A background agent in three calls, with curl alone: define it, start a session,
# watch its events until the turn is done. Then steer it with the client token,
# as a browser would.
#
#   OPENCOMPUTER_API_KEY=osb_... examples/curl.sh
set -euo pipefail

url=${OPENCOMPUTER_API_URL:-http://127.0.0.1:8080}
key=${OPENCOMPUTER_API_KEY:?set it to an API key, such as the one oc demo printed}
model=${MODEL:-test/demo}

# Takes the text of a field out of JSON, without any tool but sed.
field() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p" | head -n 1; }

# Shows a stream until the event of this type.
until_event() {
  while IFS= read -r line; do
    case $line in
      data:*) printf '%s\n' "${line#data: }" ;;
    esac
    case $line in
      data:*"\"type\":\"$1\""*) return 0 ;;
    esac
  done
  echo "the stream ended before $1" >&2
  return 1
}

echo "1. An agent"
agent=$(curl -sS --fail-with-body "$url/v3/agents" -H "Authorization: Bearer $key" -d '{
  "name": "curl-example", "model": "'"$model"'",
  "prompt": "You are a careful programmer. Run what you write." }')
echo "$agent"
agent_id=$(printf '%s' "$agent" | grep -o '"id":"agt_[^"]*"' | head -n 1 | field id)

echo "2. A session"
session=$(curl -sS --fail-with-body "$url/v3/sessions" -H "Authorization: Bearer $key" -d '{
  "agent": "'"$agent_id"'",
  "input": "Write a script that prints the first 20 primes and run it." }')
echo "$session"
session_id=$(printf '%s' "$session" | grep -o '"id":"ses_[^"]*"' | head -n 1 | field id)
token=$(printf '%s' "$session" | field client_token)

echo "3. Its events, as they happen"
until_event turn.completed < <(curl -sSN "$url/v3/sessions/$session_id/events?stream=sse&level=user&token=$token")

echo "4. One more message, with the client token"
sent=$(curl -sS --fail-with-body "$url/v3/sessions/$session_id/messages" -H "Authorization: Bearer $token" \
  -d '{ "text": "Once more, please.", "idempotency_key": "curl-example-1" }')
echo "$sent"
seq=$(printf '%s' "$sent" | sed -n 's/.*"seq":\([0-9]*\).*/\1/p')
until_event turn.completed < <(curl -sSN "$url/v3/sessions/$session_id/events?stream=sse&level=user&after=$seq&token=$token")

echo "5. The result"
curl -sS --fail-with-body "$url/v3/sessions/$session_id/result" -H "Authorization: Bearer $key"
echo
