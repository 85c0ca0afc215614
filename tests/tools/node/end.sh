# Ends the node in "$2" with "$1", which is tests/tools/cluster, and removes the folder "$3": when standard input ends, unless it said "keep".
# A number is the process group that starts the node now, an empty line is its end.
group=
while read -r word; do
    [ "$word" != keep ] || exit 0
    group=$word
done
if [ -n "$group" ]; then
    kill -INT -- "-$group"
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        kill -0 -- "-$group" || break
        sleep 0.3
    done
    kill -KILL -- "-$group"
fi
"$1" down "$2"
rm -rf -- "$3"
