# Runs the program "$@" until it ends or standard input does; then the program has 2 s to stop.
# Before its end standard input may say "term", and the program has 10 s, or "kill", and it has none.
exec 3<&0 </dev/null
"$@" 3<&- &
program=$!
(
    read -r word <&3
    [ "$word" != kill ] || kill -KILL $program
    kill -TERM $program
    tenths=20
    [ "$word" != term ] || tenths=100
    while [ $tenths -gt 0 ]; do
        kill -0 $program || exit
        sleep 0.1
        tenths=$((tenths - 1))
    done
    kill -KILL $program
) 2>/dev/null &
exec 3<&-
wait $program
status=$?
kill $! 2>/dev/null
exit $status
