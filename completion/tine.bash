# bash completion for tine

# Whether a word before the current one is the script already; options that take a word are skipped.
_tine_has_script() {
    local i
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        -e | -l) i=$((i + 1)) ;;
        -) return 0 ;;
        -*) ;;
        *) return 0 ;;
        esac
    done
    return 1
}

_tine_map_options="-j --jobs -n --chunk --timeout --retries --delay --halt --seed -0 --null --colsep --csv --header --pipe
    --block -N -x --unordered -k --keep-order --tag --line-buffer -q --quiet --results --joblog --resume --resume-failed
    --dry-run --progress --bar --trace --help --"

# @file.lua, also in folders.
_tine_map_files() {
    local name quoted
    mapfile -t COMPREPLY < <(compgen -f -P @ -X '!*.lua' -- "${1#@}"; compgen -d -P @ -S / -- "${1#@}")
    for name in "${COMPREPLY[@]}"; do
        printf -v quoted %q "$name"
        [ "$quoted" = "$name" ] || compopt -o filenames # which quotes, the @ too
    done
    [[ ${COMPREPLY[0]} != */ ]] || compopt -o nospace
}

_tine_map() {
    case ${COMP_WORDS[COMP_CWORD - 1]} in
    -j | --jobs) mapfile -t COMPREPLY < <(compgen -W "$(seq "$(nproc)")" -- "$cur") && return ;;
    --halt) mapfile -t COMPREPLY < <(compgen -W "now,fail=1 soon,fail=1 now,success=1 never" -- "$cur") && return ;;
    --header) COMPREPLY=(:) && return ;;
    -n | --chunk | -N | --timeout | --retries | --delay | --seed | --colsep | --block | -x) return ;;
    --joblog | --results | --trace) return ;;
    esac
    case $cur in
    -*) mapfile -t COMPREPLY < <(compgen -W "$_tine_map_options" -- "$cur") ;;
    @*) _tine_map_files "$cur" ;;
    esac
}

# Programs of others: what options they have is asked.
_tine_others() {
    case $cur in
    -*) mapfile -t COMPREPLY < <(compgen -W "$("${COMP_WORDS[0]}" __complete "${COMP_WORDS[1]}" 2>/dev/null)" -- "$cur") ;;
    esac
}

_tine_top() {
    case ${COMP_WORDS[COMP_CWORD - 1]} in
    --traceback | -d | --delay) return ;;
    esac
    case $cur in
    -*) mapfile -t COMPREPLY < <(compgen -W "--once --json --traceback -d --delay -h --help" -- "$cur") ;;
    *) mapfile -t COMPREPLY < <(compgen -W "$(sed -n 's:.*@tine/\([0-9]*\)/.*:\1:p' /proc/net/unix)" -- "$cur") ;;
    esac
}

_tine_report() {
    case $cur in
    -*) mapfile -t COMPREPLY < <(compgen -W "-o --output --help" -- "$cur") ;;
    *) mapfile -t COMPREPLY < <(compgen -f -X '!*.json' -- "$cur") ;;
    esac
}

_tine_serve() {
    case ${COMP_WORDS[COMP_CWORD - 1]} in
    -j | --jobs) mapfile -t COMPREPLY < <(compgen -W "$(seq "$(nproc)")" -- "$cur") && return ;;
    --allow) COMPREPLY=(modules) && return ;;
    --on-disconnect) COMPREPLY=(finish) && return ;;
    --key | --initializer | --name | --preload | --memory | --timeout | --cache | --max-tasks | --exit-* | --on) return ;;
    esac
    case $cur in
    -*)
        mapfile -t COMPREPLY < <(compgen -W "--key -j --jobs --name --allow --preload --initializer --memory --timeout
            --cache --max-tasks --on-disconnect --exit-when-idle --exit-without-server --on --help" -- "$cur")
        ;;
    esac
}

_tine() {
    local cur=$2 # not the last of COMP_WORDS, which bash breaks at an @
    COMPREPLY=()
    if [ "$COMP_CWORD" -gt 1 ]; then
        case ${COMP_WORDS[1]} in
        map) _tine_map && return ;;
        busted | luacheck) _tine_others && return ;;
        top) _tine_top && return ;;
        report) _tine_report && return ;;
        serve) _tine_serve && return ;;
        key) return ;;
        esac
    fi
    case ${COMP_WORDS[COMP_CWORD - 1]} in
    -e | -l) return ;;
    esac
    _tine_has_script && return
    case $cur in
    -*) mapfile -t COMPREPLY < <(compgen -W "-e -i -l -v -E -W -- --help --version" -- "$cur") ;;
    *)
        mapfile -t COMPREPLY < <(compgen -f -X '!*.lua' -- "$cur")
        [ "$COMP_CWORD" = 1 ] && mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -W "map busted luacheck top report serve key" -- "$cur")
        ;;
    esac
}
complete -o default -o plusdirs -F _tine tine
