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

_tine_map() {
    local cur=${COMP_WORDS[COMP_CWORD]}
    case ${COMP_WORDS[COMP_CWORD - 1]} in
    -j) mapfile -t COMPREPLY < <(compgen -W "$(seq "$(nproc)")" -- "$cur") && return ;;
    -n) return ;;
    esac
    case $cur in
    -*) mapfile -t COMPREPLY < <(compgen -W "-j -n --unordered --progress --help --" -- "$cur") ;;
    @*) mapfile -t COMPREPLY < <(compgen -f -P @ -X '!*.lua' -- "${cur#@}") ;;
    esac
}

_tine() {
    local cur=${COMP_WORDS[COMP_CWORD]}
    COMPREPLY=()
    if [ "${COMP_WORDS[1]}" = map ] && [ "$COMP_CWORD" -gt 1 ]; then
        _tine_map
        return
    fi
    case ${COMP_WORDS[COMP_CWORD - 1]} in
    -e | -l) return ;;
    esac
    _tine_has_script && return
    case $cur in
    -*) mapfile -t COMPREPLY < <(compgen -W "-e -i -l -v -E -W -- --help --version" -- "$cur") ;;
    *)
        mapfile -t COMPREPLY < <(compgen -f -X '!*.lua' -- "$cur")
        [ "$COMP_CWORD" = 1 ] && [[ map == "$cur"* ]] && COMPREPLY+=(map)
        ;;
    esac
}
complete -o default -o plusdirs -F _tine tine
