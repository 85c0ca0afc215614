# Runs the program "$@" until it ends or standard input does; then everything that it started is interrupted.
exec 3<&0 </dev/null
(
    read -r _ <&3
    kill -INT 0
    sleep 3
    kill -KILL 0
) >/dev/null 2>&1 &
watcher=$!
"$@" 3<&-
status=$?
kill $watcher
exit $status
