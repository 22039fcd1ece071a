//! A transcript as one HTML page. It loads nothing and executes nothing: no script, no link, no address, and a policy
//! that says so to the browser; its one style sheet is named by its digest.

use std::fmt::Write as _;

use super::inert::html;
use super::page::{Page, What};

/// The style sheet. Whoever changes it changes `STYLE_DIGEST`; a test compares.
pub const STYLE: &str = "\
:root{color-scheme:light dark;--paper:#fff;--ink:#1b1f24;--faint:#667079;--line:#d8dee4;--person:#eef4ff;--bad:#b3261e}
@media(prefers-color-scheme:dark){:root{--paper:#14171a;--ink:#e3e6e8;--faint:#98a2ab;--line:#30363c;--person:#1c2635;--bad:#ff8a80}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:56rem;padding:1.5rem;background:var(--paper);color:var(--ink);font:1rem/1.55 system-ui,sans-serif}
h1{font-size:1.4rem;margin:0 0 .75rem}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.15rem 1rem;margin:0 0 1.5rem;font-size:.875rem;color:var(--faint)}
dt{font-weight:600}
dd{margin:0;overflow-wrap:anywhere}
article{border-top:1px solid var(--line);padding:.75rem 0}
article.person{background:var(--person);padding:.75rem 1rem;border-radius:.5rem;border:0;margin:.75rem 0}
header{display:flex;gap:.75rem;justify-content:space-between;font-size:.8rem;color:var(--faint)}
p{margin:.35rem 0 0;white-space:pre-wrap;overflow-wrap:anywhere;unicode-bidi:plaintext}
pre{margin:.5rem 0 0;padding:.6rem;border:1px solid var(--line);border-radius:.4rem;font:.85rem/1.45 ui-monospace,monospace;white-space:pre-wrap;overflow-wrap:anywhere;unicode-bidi:plaintext}
summary{cursor:pointer;font-size:.9rem}
summary code{font-weight:600}
.failed{color:var(--bad)}
.faint{color:var(--faint)}
";

/// SHA-256 of [`STYLE`], as a policy names it.
const STYLE_DIGEST: &str = "Sp8evZvdbX3jxYNKmvNFaLrppxyEd5pdbPZNUJ2dF9Y=";

/// The page as HTML.
pub(super) fn of(page: &Page) -> String {
    let title = html(&page.title);
    let mut text = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-{STYLE_DIGEST}'; \
         base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n<dl>\n"
    );
    for (name, value) in &page.about {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "<dt>{name}</dt><dd>{}</dd>", html(value));
    }
    text.push_str("</dl>\n<main>\n");
    let mut last = "";
    for piece in &page.pieces {
        // Of several pieces of one entry the first has its name.
        let id = match piece.entry == last {
            true => String::new(),
            false => format!(" id=\"{}\"", html(&piece.entry)),
        };
        last = &piece.entry;
        let at = html(&piece.at);
        let head = |who: &str| format!("<header><span>{who}</span><time>{at}</time></header>");
        let _ = match &piece.what {
            What::Person(words) => {
                let (head, words) = (head("User"), html(words));
                writeln!(
                    text,
                    "<article class=\"person\"{id}>{head}<p>{words}</p></article>"
                )
            }
            What::Model { model, text: words } => {
                let (head, words) = (head(&html(model)), html(words));
                writeln!(text, "<article{id}>{head}<p>{words}</p></article>")
            }
            What::Thinking(thoughts) if thoughts.is_empty() => Ok(()),
            What::Thinking(thoughts) => {
                let thoughts = html(thoughts);
                writeln!(
                    text,
                    "<article{id}><details><summary class=\"faint\">Thinking</summary><p>{thoughts}</p></details></article>"
                )
            }
            What::Call {
                name,
                arguments,
                state,
                result,
                is_error,
            } => {
                let (name, state) = (html(name), html(state));
                let class = if *is_error { " class=\"failed\"" } else { "" };
                let result = result
                    .as_deref()
                    .map(|result| format!("<pre>{}</pre>", html(result)));
                let (result, arguments) = (result.unwrap_or_default(), html(arguments));
                writeln!(
                    text,
                    "<article{id}><details><summary><code>{name}</code> <span{class}>{state}</span></summary>\
                     <pre>{arguments}</pre>{result}</details></article>"
                )
            }
            What::Summary(summary) => {
                let summary = html(summary);
                writeln!(
                    text,
                    "<article{id}><details><summary class=\"faint\">Summary of what stands above</summary><p>{summary}</p></details></article>"
                )
            }
            What::Note(note) => writeln!(
                text,
                "<article{id}><p class=\"faint\">{}</p></article>",
                html(note)
            ),
        };
    }
    text.push_str("</main>\n</body>\n</html>\n");
    text
}
