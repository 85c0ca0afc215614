# Removes the folder "$1" when standard input ends, unless it said "keep".
read -r word
[ "$word" = keep ] || until rm -rf -- "$1"; do sleep 0.2; done
