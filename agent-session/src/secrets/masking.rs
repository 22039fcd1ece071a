//! Putting placeholders where secrets stand: in a text, in a stream, in a file that is read, in a file that is edited.

use std::borrow::Cow;
use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;

use super::entropy::is_distinctive;
use super::kind::Kind;
use super::scanner::{Scanner, Sink};
use super::vault::{Origin, Vault};

/// Masks what comes to a session, or passes it on where that is turned off. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Masking {
    vault: Arc<Vault>,
    on: bool,
}

impl Masking {
    /// Masks with the secrets of a session in `vault`; where it is not `on`, nothing is masked.
    #[must_use]
    pub fn new(vault: Arc<Vault>, on: bool) -> Self {
        Self { vault, on }
    }

    pub(super) fn vault(&self) -> &Vault {
        &self.vault
    }

    /// A text that is there whole.
    #[must_use]
    pub fn text<'t>(&self, text: &'t str, origin: &Origin) -> Cow<'t, str> {
        let view = self.view(text.as_bytes(), origin);
        match view.masked {
            None => Cow::Borrowed(text),
            Some(masked) => Cow::Owned(into_text(masked)),
        }
    }

    /// A text that comes in pieces.
    #[must_use]
    pub fn stream(&self, origin: Origin) -> Stream {
        Stream {
            work: self.on.then(|| {
                let scanner = Scanner::new(self.vault.known());
                let writer = Writer {
                    vault: Arc::clone(&self.vault),
                    origin,
                    block: None,
                    out: Vec::new(),
                };
                Box::new((scanner, writer))
            }),
        }
    }

    /// A file as it may be seen.
    pub fn reader<R: Read>(&self, file: R, origin: Origin) -> Reader<R> {
        Reader {
            file,
            stream: self.stream(origin),
            piece: Vec::new(),
            ready: Vec::new(),
            given: 0,
            ended: false,
        }
    }

    /// Content as it may be seen, with where everything stands in the content itself.
    #[must_use]
    pub fn view<'c>(&self, content: &'c [u8], origin: &Origin) -> View<'c> {
        let mut viewer = Viewer {
            writer: Writer {
                vault: Arc::clone(&self.vault),
                origin: origin.clone(),
                block: None,
                out: Vec::new(),
            },
            content,
            read: 0,
            copied: 0,
            secrets: vec![],
        };
        if self.on {
            let mut scanner = Scanner::new(self.vault.known());
            scanner.push(content, &mut viewer);
            scanner.finish(&mut viewer);
        }
        let Viewer {
            writer,
            copied,
            secrets,
            ..
        } = viewer;
        let masked = (!secrets.is_empty()).then(|| {
            let mut out = writer.out;
            out.extend_from_slice(content.get(copied..).unwrap_or_default());
            out
        });
        View {
            content,
            masked,
            secrets,
        }
    }
}

/// What is masked is text if it was text before: placeholders and secrets are ASCII.
fn into_text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// Writes what was scanned, with placeholders.
struct Writer {
    vault: Arc<Vault>,
    origin: Origin,
    block: Option<u32>,
    out: Vec<u8>,
}

impl Sink for Writer {
    fn plain(&mut self, text: &[u8]) {
        self.out.extend_from_slice(text);
    }

    fn secret(&mut self, kind: Kind, value: &str, further: bool) {
        let block = self.block.filter(|_| further);
        let distinctive = is_distinctive(value.as_bytes());
        let (placeholder, number) = self.vault.keep(kind, value, &self.origin, distinctive, block);
        if !further {
            self.block = Some(number);
        }
        self.out.extend_from_slice(placeholder.as_bytes());
    }
}

/// A text that comes in pieces. How it is cut makes no difference.
pub struct Stream {
    /// `None` where nothing is masked.
    work: Option<Box<(Scanner, Writer)>>,
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Stream").field(&self.work.is_some()).finish()
    }
}

impl Stream {
    /// Takes the next piece; gives what can be told already. At most 8 KiB wait.
    pub fn push<'p>(&mut self, piece: &'p [u8]) -> Cow<'p, [u8]> {
        match &mut self.work {
            None => Cow::Borrowed(piece),
            Some(work) => {
                let (scanner, writer) = &mut **work;
                scanner.push(piece, writer);
                Cow::Owned(std::mem::take(&mut writer.out))
            }
        }
    }

    /// The text has ended: gives what waited. What is pushed now is another text.
    pub fn finish(&mut self) -> Vec<u8> {
        let Some(work) = &mut self.work else {
            return Vec::new();
        };
        let (scanner, writer) = &mut **work;
        scanner.finish(writer);
        writer.block = None;
        std::mem::take(&mut writer.out)
    }

    /// The same of a piece of text.
    pub fn push_text(&mut self, piece: &str) -> String {
        into_text(self.push(piece.as_bytes()).into_owned())
    }

    /// The same of a piece of text.
    pub fn finish_text(&mut self) -> String {
        into_text(self.finish())
    }
}

/// A file as it may be seen.
#[derive(Debug)]
pub struct Reader<R> {
    file: R,
    stream: Stream,
    piece: Vec<u8>,
    ready: Vec<u8>,
    given: usize,
    ended: bool,
}

impl<R: Read> Read for Reader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        const PIECE: usize = 64 * 1024;
        while self.given == self.ready.len() && !self.ended {
            self.piece.resize(PIECE, 0);
            let len = self.file.read(&mut self.piece)?;
            self.given = 0;
            self.ready = if len == 0 {
                self.ended = true;
                self.stream.finish()
            } else {
                let piece = self.piece.get(..len).unwrap_or_default();
                self.stream.push(piece).into_owned()
            };
        }
        let waiting = self.ready.get(self.given..).unwrap_or_default();
        let len = waiting.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..len), waiting.get(..len)) {
            to.copy_from_slice(from);
        }
        self.given += len;
        Ok(len)
    }
}

/// Content as it may be seen.
#[derive(Debug)]
pub struct View<'c> {
    content: &'c [u8],
    /// `None` where it has no secrets.
    masked: Option<Vec<u8>>,
    secrets: Vec<Hidden>,
}

/// Where a placeholder stands, and where its secret does.
#[derive(Debug)]
struct Hidden {
    placeholder: Range<usize>,
    secret: Range<usize>,
}

impl View<'_> {
    /// What may be seen.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.masked.as_deref().unwrap_or(self.content)
    }

    /// Where the secrets stand in the content, in order.
    pub fn secrets(&self) -> impl Iterator<Item = &Range<usize>> {
        self.secrets.iter().map(|hidden| &hidden.secret)
    }

    /// Where a part of [`bytes`](Self::bytes) stands in the content; `None` where it begins or ends inside a placeholder.
    #[must_use]
    pub fn place(&self, part: &Range<usize>) -> Option<Range<usize>> {
        Some(self.position(part.start)?..self.position(part.end)?)
    }

    fn position(&self, at: usize) -> Option<usize> {
        let before = self
            .secrets
            .partition_point(|hidden| hidden.placeholder.end <= at);
        if self
            .secrets
            .get(before)
            .is_some_and(|hidden| hidden.placeholder.start < at)
        {
            return None;
        }
        match before.checked_sub(1).and_then(|last| self.secrets.get(last)) {
            None => Some(at),
            Some(hidden) => Some(hidden.secret.end + (at - hidden.placeholder.end)),
        }
    }
}

/// Copies nothing as long as nothing is found.
struct Viewer<'c> {
    writer: Writer,
    content: &'c [u8],
    read: usize,
    copied: usize,
    secrets: Vec<Hidden>,
}

impl Sink for Viewer<'_> {
    fn plain(&mut self, text: &[u8]) {
        self.read += text.len();
    }

    fn secret(&mut self, kind: Kind, value: &str, further: bool) {
        let between = self.content.get(self.copied..self.read).unwrap_or_default();
        self.writer.out.extend_from_slice(between);
        let start = self.writer.out.len();
        self.writer.secret(kind, value, further);
        let secret = self.read..self.read + value.len();
        self.read = secret.end;
        self.copied = secret.end;
        self.secrets.push(Hidden {
            placeholder: start..self.writer.out.len(),
            secret,
        });
    }
}
