# The guardian of childminder's children. Whoever started it writes lines: `+ 7` when process 7 may not outlive it, `+ -7`
# when that is so of group 7, and the same with `-` when it does not matter any more. At the end of these lines their
# writer is dead. Whoever is still on the list is killed then, with all that descends from them, and then everybody with
# the marker in their environment, for a daemon belongs to nobody's group or family.
marker=$1
trap '' HUP INT QUIT PIPE TERM
# The one thing that is ever said: from now on somebody listens.
echo

# Whether somebody is on the list is a variable for each: a shell takes very long to find something in a long text. The
# names of those variables are kept in `entries`, and those that are not set any more are cleared out now and then.
entries=
unset_entries=0
while read -r sign target; do
    case $target in
        -*) entry=group_${target#-} ;;
        *) entry=process_$target ;;
    esac
    case $sign in
        +)
            eval "$entry=\$target"
            entries="$entries $entry"
            ;;
        -)
            unset "$entry"
            unset_entries=$((unset_entries + 1))
            ;;
    esac
    if [ "$unset_entries" -gt 500 ]; then
        left=
        for entry in $entries; do
            eval "left=\"\$left\${$entry:+ $entry}\""
        done
        entries=$left
        unset_entries=0
    fi
done
targets=
for entry in $entries; do
    eval "targets=\"\$targets \${$entry-}\""
done

# Only the living know their children. Nothing is forked here: on a busy machine that is what takes time.
family=
generation=
for target in $targets; do
    generation="$generation ${target#-}"
done
while [ -n "$generation" ]; do
    family="$family $generation"
    parents=$generation
    generation=
    for parent in $parents; do
        for list in /proc/"$parent"/task/*/children; do
            children=
            read -r children <"$list"
            generation="$generation${children:+ $children}"
        done
    done
done
for target in $targets $family; do
    kill -s KILL -- "$target"
done

# One who is killed cannot fork any more, but may have done so since we looked.
for look in 1 2 3 4 5 6 7 8; do
    marked=$(grep -lsF "CHILDMINDER_GUARDIAN=$marker" /proc/[0-9]*/environ)
    [ -n "$marked" ] || break
    for process in $marked; do
        process=${process%/environ}
        kill -s KILL -- "${process#/proc/}"
    done
done
