#!/bin/sh
# Push jobs to Intake's inbox with nc only.
#
# sh push_nc.sh JOB…      or one job per line on stdin. REDIS_URL is redis://[[USER]:PASSWORD@]HOST[:PORT].

url=${REDIS_URL:-redis://localhost:6379/0}
url=${url#redis://}
url=${url%%/*}
server=${url##*@}
host=${server%%:*}
port=${server#"$host"}
port=${port#:}

# Write one argument in Redis' protocol: its length in bytes, then the argument.
argument() {
    printf '$%d\r\n%s\r\n' "$(printf %s "$1" | wc -c)" "$1"
}

commands() {
    if [ "$server" != "$url" ]; then
        login=${url%@*}
        user=${login%%:*}
        printf '*3\r\n'
        argument AUTH
        argument "${user:-default}"
        argument "${login#*:}"
    fi
    printf '*3\r\n'
    argument LPUSH
    argument intake:inbox
    argument "$1"
    printf '*1\r\n$4\r\nQUIT\r\n'
}

push() {
    # Redis replies +OK to AUTH and QUIT, and :N to a push, where N is the number of waiting jobs.
    answer=$(commands "$1" | nc -w 5 "$host" "${port:-6379}" | tr -d '\r')
    case $answer in
        *-* | '')
            echo "not pushed: ${answer:-no answer}" >&2
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
