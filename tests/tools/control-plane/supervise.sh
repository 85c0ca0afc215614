# Runs the program "$@" until it ends or standard input does; then the program has 2 s to stop.
exec 3<&0 </dev/null
"$@" 3<&- &
program=$!
(
    read -r _ <&3
    kill -TERM $program
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        kill -0 $program || exit
        sleep 0.1
    done
    kill -KILL $program
) 2>/dev/null &
exec 3<&-
wait $program
status=$?
kill $! 2>/dev/null
exit $status
