//! What a command says: the last of it in memory, all of it in a blob once it is long.

use super::Limits;
use super::truncation::tail;
use crate::blobs::{BlobError, BlobRef, BlobStore, BlobWriter};
use crate::secrets::Stream;

/// Collects output. Holds about twice [`Limits::bytes`], however much comes.
pub(crate) struct Output {
    store: BlobStore,
    limits: Limits,
    masked: Stream,
    recent: Vec<u8>,
    bytes: u64,
    lines: u64,
    kept: Kept,
}

/// Where the whole output is.
enum Kept {
    /// Still all in memory.
    Recent,
    Blob(BlobWriter),
    /// The disk refused. The command is not to blame, so it goes on.
    Nowhere(String),
}

/// What a command said.
#[derive(Debug)]
pub(crate) struct Said {
    /// The last of it, as text.
    pub(crate) text: String,
    /// Whether something came before that.
    pub(crate) truncated: bool,
    /// All its bytes.
    pub(crate) bytes: u64,
    /// All its lines.
    pub(crate) lines: u64,
    /// The whole of it, or its first part; or why it could not be kept. `None` where nothing was left out.
    pub(crate) whole: Option<Result<BlobRef, String>>,
}

impl Output {
    /// Collects output that is masked before it is kept anywhere.
    pub(crate) fn new(store: BlobStore, limits: Limits, masked: Stream) -> Self {
        Self {
            masked,
            store,
            limits,
            recent: Vec::new(),
            bytes: 0,
            lines: 0,
            kept: Kept::Recent,
        }
    }

    /// Takes what came.
    pub(crate) async fn push(&mut self, piece: &[u8]) {
        let piece = self.masked.push(piece);
        self.keep(&piece).await;
    }

    async fn keep(&mut self, piece: &[u8]) {
        self.bytes += piece.len() as u64;
        self.lines += memchr::memchr_iter(b'\n', piece).count() as u64;
        self.recent.extend_from_slice(piece);
        let long = self.recent.len() > self.limits.bytes || self.lines > self.limits.lines as u64;
        self.kept = match std::mem::replace(&mut self.kept, Kept::Recent) {
            Kept::Recent if !long => Kept::Recent,
            Kept::Recent => {
                let (store, whole, most) =
                    (self.store.clone(), self.recent.clone(), self.limits.output_bytes);
                stored(move || append(store.writer()?, &whole, most)).await
            }
            Kept::Blob(writer) if writer.len() < self.limits.output_bytes => {
                let (piece, most) = (piece.to_vec(), self.limits.output_bytes);
                stored(move || append(writer, &piece, most)).await
            }
            kept => kept,
        };
        // While it is all in memory it is short; later only the last of it matters.
        if self.recent.len() > 2 * self.limits.bytes.max(self.limits.progress_bytes) {
            let from = self.recent.len() - self.limits.bytes.max(self.limits.progress_bytes);
            self.recent.drain(..from);
        }
    }

    /// The very last of it, for people who watch.
    pub(crate) fn latest(&self) -> String {
        String::from_utf8_lossy(tail(&self.recent, self.limits.lines, self.limits.progress_bytes))
            .into_owned()
    }

    pub(crate) async fn finish(mut self) -> Said {
        let last = self.masked.finish();
        self.keep(&last).await;
        let shown = tail(&self.recent, self.limits.lines, self.limits.bytes);
        let truncated = (shown.len() as u64) < self.bytes;
        let whole = match self.kept {
            _ if !truncated => None,
            Kept::Blob(writer) => Some(finished(move || writer.finish()).await),
            // An unfinished line too many, which nothing counted before.
            Kept::Recent => {
                let (store, whole) = (self.store, self.recent.clone());
                Some(finished(move || store.put(&whole)).await)
            }
            Kept::Nowhere(why) => Some(Err(why)),
        };
        Said {
            text: String::from_utf8_lossy(shown).into_owned(),
            truncated,
            bytes: self.bytes,
            lines: self.lines + u64::from(self.recent.last().is_some_and(|&last| last != b'\n')),
            whole,
        }
    }
}

fn append(mut writer: BlobWriter, piece: &[u8], most: u64) -> Result<BlobWriter, BlobError> {
    let room = usize::try_from(most.saturating_sub(writer.len())).unwrap_or(usize::MAX);
    writer.write(piece.get(..room).unwrap_or(piece))?;
    Ok(writer)
}

async fn stored(work: impl FnOnce() -> Result<BlobWriter, BlobError> + Send + 'static) -> Kept {
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(writer)) => Kept::Blob(writer),
        Ok(Err(error)) => Kept::Nowhere(error.to_string()),
        Err(broken) => Kept::Nowhere(broken.to_string()),
    }
}

async fn finished(
    work: impl FnOnce() -> Result<BlobRef, BlobError> + Send + 'static,
) -> Result<BlobRef, String> {
    match tokio::task::spawn_blocking(work).await {
        Ok(finished) => finished.map_err(|error| error.to_string()),
        Err(broken) => Err(broken.to_string()),
    }
}
