//! Queries over HTTP while a turn streams, against the same query in the process: queries per second, median and p99,
//! and the ratio of the two. `cargo bench -p glasswork-rpc --bench http`, on a machine that does nothing else.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a bench that cannot go on says so by a panic"
)]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use glasswork_app_runtime::reading::Viewer;
use glasswork_query::Graph;
use glasswork_rpc::http::{self, Access, Limits, Token};
use glasswork_session_state::settings::Mode;
use glasswork_testkit::house::House;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Clients that ask at the same time.
const CLIENTS: usize = 4;
/// How long each way is measured.
const TIME: Duration = Duration::from_secs(5);

fn main() {
    let tasks = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    tasks.block_on(measure());
}

async fn measure() {
    // Half a minute of an answer in small pieces: longer than both ways together are measured.
    let text = "word ".repeat(6_000);
    let script = format!(r#"(chunk: 10, pace_ms: 10, turns: [(say: [text("{text}")])])"#);
    let house = House::of_script(&script).await;
    let session = house.session(House::settings(Mode::Ask)).await;
    let listener = http::bind("127.0.0.1:0".parse().unwrap(), false).unwrap();
    let address = listener.local_addr().unwrap();
    let token = Token::mint().unwrap();
    let file = token.write(&house.home().join("run"), "token").unwrap();
    let bearer = std::fs::read_to_string(file.path()).unwrap();
    let graph = Graph::new(house.runtime().reader().clone());
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(http::serve(
        listener,
        graph.clone(),
        None,
        Access::new(address, token),
        Limits::default(),
        async {
            let _ = ended.await;
        },
    ));
    house.runtime().prompt(session, "stream", None).await.unwrap();
    let query = format!("{{ session(id: \"{session}\") {{ seq meta {{ title }} turn {{ state }} }} }}");
    let inside = asked(|| inside(graph.clone(), query.clone())).await;
    let request = request(address, &bearer, &query);
    let over = asked(|| over(address, request.clone())).await;
    println!("in the process: {inside}");
    println!("over HTTP:      {over}");
    println!(
        "over HTTP, queries/s of those in the process: {:.2}",
        over.rate / inside.rate
    );
    house.runtime().cancel(session).await.unwrap();
    drop((graph, file));
    end.send(()).unwrap();
    serving.await.unwrap();
    house.close().await;
}

/// What was measured.
struct Measured {
    rate: f64,
    median: Duration,
    p99: Duration,
}

impl std::fmt::Display for Measured {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{:.0} queries/s, median {:?}, p99 {:?}",
            self.rate, self.median, self.p99
        )
    }
}

async fn asked<F: Future<Output = Vec<Duration>> + Send + 'static>(client: impl Fn() -> F) -> Measured {
    let clients: Vec<_> = (0..CLIENTS).map(|_| tokio::spawn(client())).collect();
    let mut all = Vec::new();
    for client in clients {
        all.extend(client.await.unwrap());
    }
    all.sort();
    Measured {
        rate: all.len() as f64 / TIME.as_secs_f64(),
        median: all[all.len() / 2],
        p99: all[all.len() * 99 / 100],
    }
}

/// Asks the graph itself, again and again.
async fn inside(graph: Graph, query: String) -> Vec<Duration> {
    let until = Instant::now() + TIME;
    let mut took = Vec::new();
    while Instant::now() < until {
        let from = Instant::now();
        let response = graph.execute(Viewer::owner(), &query, Value::Null, None).await;
        assert!(response.errors().is_empty());
        drop(response.to_json().unwrap().to_string());
        took.push(from.elapsed());
    }
    took
}

/// Asks over one connection, again and again.
async fn over(address: SocketAddr, request: Vec<u8>) -> Vec<Duration> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let until = Instant::now() + TIME;
    let mut took = Vec::new();
    while Instant::now() < until {
        let from = Instant::now();
        ask(&mut stream, &request).await;
        took.push(from.elapsed());
    }
    took
}

fn request(address: SocketAddr, bearer: &str, query: &str) -> Vec<u8> {
    let body = json!({ "query": query }).to_string();
    format!(
        "POST /graphql HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {bearer}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

async fn ask(stream: &mut TcpStream, request: &[u8]) {
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    loop {
        let mut part = [0; 4_096];
        let read = stream.read(&mut part).await.unwrap();
        assert!(read > 0, "{}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&part[..read]);
        let text = String::from_utf8_lossy(&answer);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        assert!(head.starts_with("HTTP/1.1 200"), "{text}");
        let length = head.lines().find_map(|line| {
            line.to_ascii_lowercase()
                .strip_prefix("content-length: ")
                .map(str::to_owned)
        });
        if body.len() == length.unwrap().parse::<usize>().unwrap() {
            return;
        }
    }
}
