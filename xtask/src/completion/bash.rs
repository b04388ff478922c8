//! bash: one script for all tools, needing no other package.

use lxc_tools::described::{Described, OptionValue, Shown, Values};

use super::{keys, options};

/// The part that does not depend on the tools.
const HEAD: &str = r#"# bash completion for the tools of LXC. Made by "cargo xtask completions". Do not edit.

# Containers: the option of lxc-ls that selects them, then perhaps where they are.
_lxc_rs_names() {
    command lxc-ls -1 ${1:+"$1"} ${2:+-P "$2"} 2>/dev/null
}

# Words that begin like $1, from the others.
_lxc_rs_among() {
    local begin=$1
    shift
    COMPREPLY+=($(compgen -W "$*" -- "$begin"))
}

# Words joined by $1: the last of $2 is completed.
_lxc_rs_joined() {
    local glue=$1 text=$2 done=
    shift 2
    [[ $text == *"$glue"* ]] && done=${text%"$glue"*}$glue
    COMPREPLY+=($(compgen -P "$done" -W "$*" -- "${text##*"$glue"}"))
    compopt -o nospace 2>/dev/null
}

# What a value of kind $1 may be that begins like $2.
_lxc_rs_value() {
    local kind=$1 cur=$2
    case $kind in
    file) compopt -o filenames 2>/dev/null; COMPREPLY+=($(compgen -f -- "$cur")) ;;
    directory) compopt -o filenames 2>/dev/null; COMPREPLY+=($(compgen -d -- "$cur")) ;;
    command) COMPREPLY+=($(compgen -c -- "$cur")) ;;
    user) COMPREPLY+=($(compgen -u -- "$cur")) ;;
    interface) _lxc_rs_among "$cur" $(ls /sys/class/net 2>/dev/null) ;;
    names*) _lxc_rs_among "$cur" $(_lxc_rs_names "${kind#names}" "$lxcpath") ;;
    template)
        if [[ $cur == /* ]]; then
            _lxc_rs_value file "$cur"
        else
            local dir
            for dir in /usr/local/share/lxc/templates /usr/share/lxc/templates; do
                _lxc_rs_among "$cur" $(cd "$dir" 2>/dev/null && printf '%s\n' lxc-* | sed -n 's/^lxc-\([a-z]\)/\1/p')
            done
            _lxc_rs_among "$cur" none host
        fi
        ;;
    key) _lxc_rs_among "$cur" $_lxc_rs_keys ;;
    words:*) _lxc_rs_among "$cur" ${kind#words:} ;;
    joined:*) _lxc_rs_joined "${kind:7:1}" "$cur" ${kind:8} ;;
    esac
}

_lxc_rs() {
    local tool=${1##*/} cur word glue= at lxcpath= named= ended= operands=0 pending=
    local -a words=()
    COMPREPLY=()
    # bash splits at "=": "--name", "=", "c1" is one word here.
    for ((at = 0; at <= COMP_CWORD; at++)); do
        word=${COMP_WORDS[at]}
        if [[ $word == = && ${#words[@]} -gt 1 && ${words[-1]} == --* ]]; then
            words[-1]+==
            glue=1
        elif [[ $glue ]]; then
            words[-1]+=$word
            glue=
        else
            words+=("$word")
        fi
    done
    cur=${words[-1]}
    local options= short= values= names= rest=
    _lxc_rs_tool "$tool" || return
    # What stands before: is an option waiting for its value, is the name given, how many operands are there?
    for word in "${words[@]:1:${#words[@]}-2}"; do
        if [[ $pending ]]; then
            [[ $pending == --name ]] && named=1
            [[ $pending == --lxcpath ]] && lxcpath=$word
            pending=
        elif [[ $ended ]]; then
            operands=$((operands + 1))
        elif [[ $word == -- ]]; then
            ended=1
        elif [[ $word == --*=* ]]; then
            [[ $word == --name=* ]] && named=1
            [[ $word == --lxcpath=* ]] && lxcpath=${word#*=}
        elif [[ $word == --* ]]; then
            [[ " $options " == *" $word= "* ]] && pending=$word
        elif [[ $word == -?* ]]; then
            # The first letter that takes a value has the rest of the word, or the next one.
            for ((at = 1; at < ${#word}; at++)); do
                [[ " $short " == *" ${word:at:1}:"* ]] || continue
                local long=${short#*"${word:at:1}:"}
                long=${long%% *}
                if [[ -n ${word:at+1} ]]; then
                    [[ $long == --name ]] && named=1
                    [[ $long == --lxcpath ]] && lxcpath=${word:at+1}
                else
                    pending=$long
                fi
                break
            done
        else
            operands=$((operands + 1))
        fi
    done
    if [[ $pending ]]; then
        _lxc_rs_of "$pending" "$cur"
    elif [[ $ended ]]; then
        _lxc_rs_operand "$cur"
    elif [[ $cur == --*=* ]]; then
        _lxc_rs_of "${cur%%=*}" "${cur#*=}"
        # Where "=" splits words, only the value is replaced.
        [[ $COMP_WORDBREAKS == *=* ]] || COMPREPLY=("${COMPREPLY[@]/#/${cur%%=*}=}")
    elif [[ $cur == -* ]]; then
        _lxc_rs_among "$cur" $options
        [[ ${COMPREPLY[*]} == *= ]] && compopt -o nospace 2>/dev/null
    else
        _lxc_rs_operand "$cur"
    fi
    return 0
}

# Completes the value of the option $1.
_lxc_rs_of() {
    local line
    while IFS= read -r line; do
        [[ $line == "$1 "* ]] && _lxc_rs_value "${line#"$1 "}" "$2"
    done <<<"$values"
}

# Completes what is no option.
_lxc_rs_operand() {
    if [[ $names && ! $named && $operands == 0 ]]; then
        [[ $names == new ]] || _lxc_rs_value "names${names#all}" "$1"
    elif [[ $names && ! $named && $operands == 1 ]] || [[ $operands == 0 ]]; then
        _lxc_rs_value "$rest" "$1"
    elif [[ $rest == command ]]; then
        _lxc_rs_value file "$1"
    fi
}

"#;

/// The script.
pub fn script(tools: &[Described]) -> String {
    let mut script = HEAD.to_owned();
    script.push_str(&format!("_lxc_rs_keys='{}'\n\n", keys().join(" ")));
    script.push_str(
        "# The options of a tool (with a value: and \"=\"), letters with a value, kinds of values.\n",
    );
    script.push_str("_lxc_rs_tool() {\n    case $1 in\n");
    for tool in tools {
        script.push_str(&of(tool));
    }
    script.push_str("    *) return 1 ;;\n    esac\n}\n\n");
    let programs: Vec<&str> = tools.iter().map(|tool| tool.program).collect();
    script.push_str(&format!("complete -F _lxc_rs {}\n", programs.join(" ")));
    script
}

fn of(tool: &Described) -> String {
    let options = options(tool);
    let mut words = Vec::new();
    let mut letters = Vec::new();
    let mut values = Vec::new();
    for option in &options {
        let needs = option.value == OptionValue::Needed;
        let name = name(option);
        if !option.long.is_empty() {
            let equals = if option.value == OptionValue::None { "" } else { "=" };
            words.push(format!("{name}{equals}"));
        }
        if let Some(letter) = option.short {
            words.push(format!("-{letter}"));
            if needs {
                letters.push(format!("{letter}:{name}"));
            }
        }
        let kind = match (option.long.as_str(), tool.names) {
            ("name", Some(names)) => names.option().map(|option| format!("names{option}")),
            _ => kind(option.values),
        };
        if let Some(kind) = kind {
            values.push(format!("{name} {kind}"));
        }
    }
    let names = tool.names.map_or("", |names| match names.option() {
        None => "new",
        Some("") => "all",
        Some(option) => option,
    });
    format!(
        "    {})\n        options='{}'\n        short='{}'\n        values='{}'\n        names={names}\n        rest='{}'\n        ;;\n",
        tool.program,
        words.join(" "),
        letters.join(" "),
        values.join("\n"),
        kind(tool.operands).unwrap_or_default()
    )
}

/// How the script calls an option: by its long name, else by its letter.
fn name(option: &Shown) -> String {
    match (option.long.as_str(), option.short) {
        ("", Some(letter)) => format!("-{letter}"),
        (long, _) => format!("--{long}"),
    }
}

fn kind(values: Values) -> Option<String> {
    Some(match values {
        Values::Any => return None,
        Values::File => "file".to_owned(),
        Values::Directory => "directory".to_owned(),
        Values::Command => "command".to_owned(),
        Values::User => "user".to_owned(),
        Values::Interface => "interface".to_owned(),
        Values::Container => "names--running".to_owned(),
        Values::Template => "template".to_owned(),
        Values::Key => "key".to_owned(),
        Values::Words(words) => format!("words:{}", words.join(" ")),
        Values::Joined(glue, words) => format!("joined:{glue}{}", words.join(" ")),
    })
}
