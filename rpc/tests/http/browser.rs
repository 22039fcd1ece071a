//! The page in real Chromium, driven through its debugging port: case 45, and that the page works at all.

use std::process::Stdio;
use std::time::Instant;

use futures_util::{SinkExt as _, StreamExt as _};
use glasswork_testkit::house::PATIENCE;
use glasswork_testkit::programs;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio_tungstenite::tungstenite::Message;

use crate::served::{Served, Socket};

/// A page of a browser.
struct Page {
    socket: Socket,
    target: String,
    count: u64,
    _browser: Child,
    _home: TempDir,
}

impl Page {
    async fn open(address: &str) -> Self {
        programs::ensure("chromium", "chromium");
        let home = TempDir::new().unwrap();
        let mut browser = Command::new("chromium")
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--no-first-run",
            ])
            .args([
                "--disable-background-networking",
                "--remote-debugging-port=0",
                "about:blank",
            ])
            .arg(format!("--user-data-dir={}", home.path().display()))
            .env("HOME", home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(browser.stderr.take().unwrap()).lines();
        let url = loop {
            let line = tokio::time::timeout(PATIENCE, lines.next_line()).await.unwrap();
            let line = line.unwrap().expect("Chromium says where it listens");
            if let Some((_, url)) = line.split_once("DevTools listening on ") {
                break url.trim().to_owned();
            }
        };
        // A pipe that nobody reads would stop the browser.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let port = url
            .trim_start_matches("ws://")
            .split('/')
            .next()
            .unwrap()
            .to_owned();
        let stream = TcpStream::connect(port).await.unwrap();
        let (socket, _) = tokio_tungstenite::client_async(&url, stream).await.unwrap();
        let mut page = Self {
            socket,
            target: String::new(),
            count: 0,
            _browser: browser,
            _home: home,
        };
        let target = page.call("Target.createTarget", json!({ "url": address })).await;
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = page.call("Target.attachToTarget", attach).await;
        page.target = attached["sessionId"].as_str().unwrap().to_owned();
        page
    }

    async fn call(&mut self, method: &str, parameters: Value) -> Value {
        let answer = self.try_call(method, parameters).await;
        answer.unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    async fn try_call(&mut self, method: &str, parameters: Value) -> Result<Value, String> {
        self.count += 1;
        let mut call = json!({ "id": self.count, "method": method, "params": parameters });
        if !self.target.is_empty() {
            call["sessionId"] = json!(self.target);
        }
        self.socket.send(Message::text(call.to_string())).await.unwrap();
        loop {
            let heard = tokio::time::timeout(PATIENCE, self.socket.next()).await.unwrap();
            let Message::Text(text) = heard.unwrap().unwrap() else {
                continue;
            };
            let heard: Value = serde_json::from_str(&text).unwrap();
            if heard["id"] == self.count {
                return match heard.get("error") {
                    Some(error) => Err(error.to_string()),
                    None => Ok(heard["result"].clone()),
                };
            }
        }
    }

    /// The value of an expression on the page; promises are waited for.
    async fn value(&mut self, expression: &str) -> Value {
        let parameters = json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let result = self.call("Runtime.evaluate", parameters).await;
        assert!(
            result.get("exceptionDetails").is_none(),
            "{expression}: {result:#}"
        );
        result["result"]["value"].clone()
    }

    /// Waits until an expression holds. A page that is still coming takes the one before it away, and with it whoever
    /// looked at that.
    async fn until(&mut self, condition: &str) {
        let begun = Instant::now();
        let expression = format!("document.readyState === 'complete' && Boolean({condition})");
        loop {
            let parameters = json!({ "expression": expression, "returnByValue": true });
            let looked = self.try_call("Runtime.evaluate", parameters).await;
            if looked.is_ok_and(|looked| looked["result"]["value"] == true) {
                return;
            }
            if begun.elapsed() > PATIENCE {
                panic!("{condition}: {}", self.value("document.body.innerText").await);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_asks_with_the_token_and_shows_what_comes_as_text() {
    let served = Served::talking().await;
    // What a session is called would run, if it were written into the page as markup.
    let title = "<img src=x onerror=\"document.title='broken'\"><script>document.title='broken'</script>";
    served
        .house
        .runtime()
        .rename(served.session, title)
        .await
        .unwrap();
    let mut page = Page::open(&format!("http://{}/", served.address)).await;
    page.until("document.getElementById('who') !== null && typeof showSchema === 'function'")
        .await;
    // Without the token the schema is not shown.
    page.value(
        "document.getElementById('token').value = 'wrong'; document.getElementById('who').requestSubmit()",
    )
    .await;
    page.until("document.getElementById('state').textContent.startsWith('say the token')")
        .await;
    assert_eq!(
        page.value("document.getElementById('schema').textContent.length < 100")
            .await,
        true
    );
    let token = &served.token;
    page.value(&format!(
        "document.getElementById('token').value = '{token}'; document.getElementById('who').requestSubmit()"
    ))
    .await;
    page.until("document.getElementById('state').textContent === 'Here.'")
        .await;
    assert_eq!(
        page.value("document.getElementById('schema').textContent.includes('object Mutation')")
            .await,
        true
    );
    // The token is in no field, and nowhere where it would last.
    let kept = "[document.documentElement.outerHTML, document.getElementById('token').value, JSON.stringify({...localStorage}), JSON.stringify({...sessionStorage}), document.cookie, location.href].join(' ')";
    assert!(!page.value(kept).await.as_str().unwrap().contains(token.as_str()));
    // A query, with the hostile title in its answer.
    page.value(&format!(
        "document.getElementById('query').value = '{{ session(id: \"{}\") {{ meta {{ title }} }} }}'; run()",
        served.session
    ))
    .await;
    page.until("document.getElementById('answer').textContent.includes('onerror')")
        .await;
    assert_eq!(
        page.value("document.getElementById('answer').children.length")
            .await,
        0
    );
    assert_eq!(page.value("document.title").await, "Glasswork: the graph");
    // A subscription, over the page's own WebSocket.
    page.value(&format!("document.getElementById('query').value = 'subscription {{ commits(session: \"{}\") {{ ... on Committed {{ dispatch {{ event }} }} }} }}'; run()", served.session)).await;
    // It is told of what happens once it has begun.
    for n in 0.. {
        served
            .house
            .runtime()
            .pin(served.session, n % 2 == 0)
            .await
            .unwrap();
        let told = "document.getElementById('answer').textContent.includes('session_pinned')";
        if page.value(told).await == true {
            break;
        }
        assert!(n < 10_000, "{}", page.value("document.body.innerText").await);
    }
    // What is not of the page does not run, even where somebody got it there.
    page.value("const bad = document.createElement('script'); bad.textContent = \"document.title = 'broken'\"; document.body.append(bad)").await;
    assert_eq!(page.value("document.title").await, "Glasswork: the graph");
    drop(page);
    served.close().await;
}
