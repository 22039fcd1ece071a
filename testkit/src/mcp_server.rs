//! An MCP server for tests: a script of the shell, which every system has, with good and bad manners.

use std::path::Path;

use glasswork_app_runtime::servers::ServerCommand;
use glasswork_session_state::settings::{Layer, Source};

/// What it does is named by its first argument; the second is a file to which it writes what it was told.
const SCRIPT: &str = r#"
manner=$1 log=$2
[ -n "$log" ] || log=/dev/null
say() { printf '%s\n' "$1"; }
answer() { say '{"jsonrpc":"2.0","id":'"$id"',"result":'"$1"'}'; }
refuse() { say '{"jsonrpc":"2.0","id":'"$id"',"error":{"code":'"$1"',"message":"'"$2"'"}}'; }
told() { answer '{"content":[{"type":"text","text":"'"$1"'"}],"isError":'"${2:-false}"'}'; }
tool() { printf '{"name":"%s","description":"It does %s.","inputSchema":{"type":"object","properties":{"text":{"type":"string"}}%s}}' "$1" "$1" "$2"; }
tools="$(tool echo ',"required":["text"]'),$(tool token),$(tool die),$(tool hang),$(tool fail),$(tool refuse),$(tool long),$(tool flood),$(tool junk),$(tool grow),$(tool ask),$(tool look),$(tool gallery),$(tool clamour),$(tool leave)"
case $manner in
    quits) echo "no such thing here" >&2; exit 3 ;;
    floods) while :; do say 'this is no message'; done ;;
    endless) while :; do printf 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'; done ;;
    odd) tools="$(tool echo),$(tool 'two words'),$(tool two_words),$(tool echo),{\"name\":\"list\",\"inputSchema\":{\"type\":\"array\"}},$(tool '')" ;;
    stubborn) trap '' TERM HUP; sleep 1000 & ;;
    bomb)
        more='x' n=0
        while [ $n -lt 17 ]; do more="$more$more"; n=$((n + 1)); done
        tools="$(tool echo),{\"name\":\"bomb\",\"description\":\"$more\",\"inputSchema\":{\"type\":\"object\"}}"
        deep='' n=0
        while [ $n -lt 60 ]; do deep="$deep{\"type\":\"object\",\"properties\":{\"a\":"; n=$((n + 1)); done
        deep="$deep{}"
        while [ $n -gt 0 ]; do deep="$deep}}"; n=$((n - 1)); done
        tools="$tools,{\"name\":\"deep\",\"inputSchema\":$deep}" ;;
    many)
        n=0 tools=''
        while [ $n -lt 200 ]; do tools="$tools$(tool "t$n"),"; n=$((n + 1)); done
        tools="$tools$(tool last)" ;;
esac
sub='' listings=0
# Says that there are other tools: to who subscribed, where one has to.
changed() {
    case $manner in
    modern*) [ -z "$sub" ] || say '{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":'"$sub"'}}}' ;;
    *) say '{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}' ;;
    esac
}
picture='iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC'
image() { printf '{"type":"image","data":"%s","mimeType":"%s"}' "$1" "${2:-image/png}"; }
[ "$manner" = mute ] && while read -r line; do :; done
while read -r line; do
    printf '%s\n' "$line" >>"$log"
    id=${line#*\"id\":} id=${id%%[,\}]*}
    case $line in
    *'"method":"server/discover"'*)
        case $manner in
        modern*) answer '{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{"listChanged":true}},"ttlMs":0,"cacheScope":"private","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"shell","version":"8"}}}' ;;
        *) refuse -32601 'no such method' ;;
        esac ;;
    *'"method":"subscriptions/listen"'*)
        case $manner in
        modern-deaf) refuse -32601 'no such method' ;;
        *)
            sub=$id
            say '{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":'"$sub"'},"notifications":{"toolsListChanged":true}}}' ;;
        esac ;;
    *'"method":"initialize"'*)
        case $manner in
        refuses) refuse -32603 'not today' ;;
        strange) answer '{"hello":"world"}' ;;
        *) answer '{"protocolVersion":"2025-06-18","capabilities":{"tools":{"listChanged":true}},"serverInfo":{"name":"shell","version":"7"}}' ;;
        esac ;;
    *'"method":"tools/list"'*)
        listings=$((listings + 1))
        [ "$leaving" != yes ] || { echo "it is all too much" >&2; exit 9; }
        case $manner in
        modern*) answer '{"resultType":"complete","ttlMs":0,"cacheScope":"private","tools":['"$tools"']}' ;;
        restless)
            # It has other tools each time that it is asked.
            answer '{"tools":['"$tools,$(tool "t$listings")"']}'
            changed ;;
        pages) answer '{"tools":['"$tools"'],"nextCursor":"again"}' ;;
        *) answer '{"tools":['"$tools"']}' ;;
        esac ;;
    *'"method":"tools/call"'*)
        case $line in
        *'"name":"echo"'*) text=${line#*\"text\":\"} text=${text%%\"*}; told "you said $text" ;;
        *'"name":"token"'*) told "$TOKEN from $(pwd) with [$CARGO_MANIFEST_DIR]" ;;
        *'"name":"die"'*) echo "I cannot go on" >&2; exit 7 ;;
        *'"name":"fail"'*) told 'it went wrong' true ;;
        *'"name":"refuse"'*) refuse -32602 'wrong in some way' ;;
        *'"name":"long"'*)
            text='' n=0
            while [ $n -lt 3000 ]; do text="$text line $n of many\\n"; n=$((n + 1)); done
            told "$text" ;;
        *'"name":"flood"'*) while :; do say '{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"x"}}'; done ;;
        *'"name":"junk"'*) say 'no json'; say '{"jsonrpc":"2.0"}'; say '[1,2'; answer '{"content":[]}'; told 'twice' ;;
        *'"name":"grow"'*)
            tools="$tools,$(tool new)"
            changed
            changed
            told 'grown' ;;
        *'"name":"clamour"'*)
            tools="$tools,$(tool new)" n=0
            while [ $n -lt 500 ]; do changed; n=$((n + 1)); done
            told 'grown' ;;
        *'"name":"leave"'*) leaving=yes; changed; told 'soon' ;;
        *'"name":"look"'*)
            answer '{"content":[{"type":"text","text":"See:"},'"$(image "$picture")"','"$(image "$picture" image/x-whatever)"','"$(image 'iVBORw0KGgo=')"','"$(image 'no base64!')"',{"type":"audio","data":"AAAA","mimeType":"audio/wav"},{"type":"resource_link","name":"notes","uri":"file:///notes.txt","mimeType":"text/plain","size":7},{"type":"resource","resource":{"uri":"x://one.png","mimeType":"image/png","blob":"'"$picture"'"}},{"type":"resource","resource":{"uri":"x://two","mimeType":"application/zip","blob":"AAAA"}},{"type":"resource","resource":{"uri":"x://three","text":"words"}}]}' ;;
        *'"name":"gallery"'*)
            all='' n=0
            while [ $n -lt 10 ]; do all="$all$(image "$picture"),"; n=$((n + 1)); done
            answer '{"content":['"$all"'{"type":"text","text":"that is all"}]}' ;;
        *'"name":"new"'*) told 'newer' ;;
        *'"name":"ask"'*) say '{"jsonrpc":"2.0","id":"q","method":"elicitation/create","params":{"message":"Your password?","requestedSchema":{"type":"object","properties":{}}}}'; told 'asked' ;;
        *'"name":"hang"'*) ;;
        *) refuse -32602 'no such tool' ;;
        esac ;;
    esac
done
"#;

/// A server with these manners: `good`, or as the script names them.
#[must_use]
pub fn server(name: &str, manner: &str) -> ServerCommand {
    ServerCommand {
        name: name.to_owned(),
        command: "/bin/sh".to_owned(),
        args: ["-c", SCRIPT, "mcp-server", manner].map(str::to_owned).to_vec(),
        env: vec![],
        from: Source {
            layer: Layer::User,
            file: None,
            line: None,
        },
    }
}

/// The same; what it is told is written to a file, a line for each message.
#[must_use]
pub fn logging(name: &str, manner: &str, log: &Path) -> ServerCommand {
    let mut server = server(name, manner);
    server.args.push(log.to_string_lossy().into_owned());
    server
}
