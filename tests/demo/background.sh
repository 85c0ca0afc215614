# Runs the program "$@" until it ends or standard input does; then everything that it started is interrupted.
GOTMPDIR=$(mktemp -d) || exit # An interrupted `go build` leaves its own behind.
export GOTMPDIR
exec 3<&0 </dev/null
(
    read -r _ <&3
    kill -INT 0
    sleep 3
    rm -rf -- "$GOTMPDIR"
    kill -KILL 0
) >/dev/null 2>&1 &
watcher=$!
"$@" 3<&-
status=$?
kill $watcher
rm -rf -- "$GOTMPDIR"
exit $status
