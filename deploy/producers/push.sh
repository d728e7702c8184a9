#!/bin/sh
# Push jobs onto Intake's inbox with redis-cli (or valkey-cli).
#
# sh push.sh JOB…      or one job a line on stdin. REDIS_URL says where Redis is.

url=${REDIS_URL:-redis://localhost:6379/0}
case $url in
    # redis-cli takes an empty user for a name.
    *://:*) url="${url%%://*}://default:${url#*://:}" ;;
esac

push() {
    # -x: the last argument is what comes on stdin, so no quoting can spoil it.
    answer=$(printf %s "$1" | redis-cli -u "$url" --no-auth-warning -x LPUSH intake:inbox 2>&1)
    # redis-cli exits with 0 for an error of the server too; a push answers how many jobs wait.
    case $answer in
        '' | *[!0-9]*)
            echo "not pushed: $answer" >&2
            exit 1
            ;;
    esac
}

if [ $# -gt 0 ]; then
    for job in "$@"; do push "$job"; done
else
    while IFS= read -r job || [ -n "$job" ]; do
        [ -z "$job" ] || push "$job"
    done
fi
