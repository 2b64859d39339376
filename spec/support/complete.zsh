# zsh -f complete.zsh FOLDER LINE DUMP: what zsh offers behind LINE, with the completion functions of FOLDER. DUMP is
# where compinit keeps what it has found in the thousand files of functions, so that only the first zsh reads them.
#
# zsh completes at a terminal only: there is one, and compadd, which all completions go through, says what it is given.
setopt extended_glob
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell "PROMPT= ; unset zle_bracketed_paste; stty -echo -onlcr; fpath=(${(q)1} \$fpath)"
zpty -w shell "autoload -Uz compinit && compinit -u -C -d ${(q)3}"
zpty -w shell 'compadd() {
    if [[ ${@[1,(i)(-|--)]} == *-(O|A|D)\ * ]]; then builtin compadd "$@"; return; fi
    local -a offered
    builtin compadd -A offered "$@"
    [[ -n $offered ]] && print -rl -- ${offered/#/offer:}
    builtin compadd "$@"
}'
zpty -w shell "bindkey '^I' complete-word; over() { print OV""ER }; zle -N over; bindkey '^T' over"
zpty -w shell 'print REA""DY'
while zpty -r shell line && [[ $line != *READY* ]]; do :; done
zpty -n -w shell "$2"$'\t\x14'
while zpty -r shell line; do
    line=${line%%[$'\r\n']##}
    [[ $line == *offer:* ]] && print -r -- ${line##*offer:}
    [[ $line == *_[a-z_]##:[0-9]##:\ * ]] && print -ru2 -- $line # an error in a function
    [[ $line == *OVER* ]] && break
done
zpty -d shell
