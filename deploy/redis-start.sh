#!/bin/sh
# Write the users of users.acl.example with their passwords, as hashes, and start Redis with them:
#
#   sh redis-start.sh users.acl.example /tmp/users.acl valkey-server redis.conf
#
# The password of the user WORKER is in REDIS_WORKER_PASSWORD.
set -eu
example=$1 users=$2
shift 2
edits=
for user in $(sed -n 's/.*>CHANGE-ME-\([A-Z]*\) .*/\1/p' "$example"); do
  eval "password=\${REDIS_${user}_PASSWORD:-}"
  case $password in
    *[!A-Za-z0-9]*) unfit="has other characters than letters and digits, and becomes part of a URL" ;;
    *) [ "${#password}" -ge 20 ] && unfit="" || unfit="has fewer than 20 characters" ;;
  esac
  [ -z "$unfit" ] || { echo "REDIS_${user}_PASSWORD $unfit. Write: openssl rand -hex 24" >&2; exit 1; }
  edits="$edits;s/>CHANGE-ME-$user /#$(printf %s "$password" | sha256sum | cut -d ' ' -f 1) /"
done
sed "${edits#;}" "$example" > "$users"
exec "$@" --aclfile "$users"
