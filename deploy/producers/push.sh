#!/bin/sh
# Push jobs to Intake's inbox with redis-cli (or valkey-cli).
#
# sh push.sh JOB…      or one job per line on stdin. REDIS_URL is the URL of Redis.

url=${REDIS_URL:-redis://localhost:6379/0}
case $url in
    # redis-cli would use an empty user name as it is.
    *://:*) url="${url%%://*}://default:${url#*://:}" ;;
esac

push() {
    # -x reads the last argument from stdin, so that quoting cannot change it.
    answer=$(printf %s "$1" | redis-cli -u "$url" --no-auth-warning -x LPUSH intake:inbox 2>&1)
    # redis-cli also exits with 0 after an error of the server; a successful push prints the number of waiting jobs.
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
