//! The lines of a journal: a header, then one line per commit and one per later opening.
//!
//! Every line is a JSON object whose last member is `"crc"`: the CRC-32 (IEEE) of all bytes before that member, seeded
//! with the CRC of the line before. So a changed, lost, foreign or reordered line breaks the chain at its place.
//! Inside a journal, ids leave the scope out.
//!
//! The line of a delta ([`Commit::delta_of`]) has the member `"delta"` directly after `"seq"`: it names the effect, so
//! that a reader can leave the line unparsed ([`delta`]). Where an archived journal has no deltas any more, a line
//! `folded` stands for them.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::commit::{self, Commit};
use crate::domain::Domain;
use crate::envelope::{DispatchId, EffectKey, Origin, ScopeId, Timestamp};

/// The longest line that is written, in bytes, its newline not counted.
pub const MAX_LINE: usize = 1 << 20;
/// The version of the line format itself. Events and facts have their own: [`Domain::SCHEMA`].
///
/// 1: the beginning. 2: deltas are marked, and may be folded away.
pub const FORMAT: u32 = 2;

/// How the line of an [`Opening`] begins; no other line does.
pub const OPENING: &[u8] = b"{\"opened\"";

const USUAL_LINE: usize = 512;
const CRC_MEMBER: &str = ",\"crc\":\"";
/// How the line of a [`Folded`] begins; no other line does.
const FOLDED: &[u8] = b"{\"folded\"";
/// How the line of a commit begins, and that of a delta goes on.
const SEQ_MEMBER: &[u8] = b"{\"seq\":";
const DELTA_MEMBER: &[u8] = b",\"delta\":\"";
/// Length of the checksum at the end of a line, in bytes, with the frame that [`stated`] reads it from.
pub const CRC_LENGTH: usize = CRC_MEMBER.len() + 8 + 2;

/// The first line of a journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header<K> {
    /// [`FORMAT`] of the build that made the journal.
    pub glasswork: u32,
    /// [`Domain::SCHEMA`] of the build that made the journal.
    pub schema: u32,
    /// The scope.
    pub scope: ScopeId,
    /// Its kind.
    pub kind: K,
    /// When the journal was made.
    pub created: Timestamp,
    /// Of a fork: up to which commit its lines were decided in which scope, oldest first. The last one names the scope
    /// that was forked, and the commit at which. Empty where all lines are this scope's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lineage: Vec<DispatchId>,
}

impl<K> Header<K> {
    /// The commit of another scope at which this one was forked.
    #[must_use]
    pub fn parent(&self) -> Option<DispatchId> {
        self.lineage.last().copied()
    }

    /// The lineage of a fork of this scope at commit `seq`.
    #[must_use]
    pub fn lineage_of_fork(&self, seq: u64) -> Vec<DispatchId> {
        let inherited = self.lineage.iter().map(|ancestor| DispatchId {
            seq: ancestor.seq.min(seq),
            ..*ancestor
        });
        let mut lineage: Vec<DispatchId> = inherited.collect();
        // One that decided nothing after the one before it is of no use any more.
        lineage.dedup_by_key(|ancestor| ancestor.seq);
        lineage.push(DispatchId::commit(self.scope, seq));
        lineage
    }
}

/// The scope in which commit `seq` was decided, given the lineage of the scope in whose journal it stands.
pub(crate) fn decided_in(lineage: &[DispatchId], seq: u64, scope: ScopeId) -> ScopeId {
    let ancestor = lineage.iter().find(|ancestor| seq <= ancestor.seq);
    ancestor.map_or(scope, |ancestor| ancestor.scope)
}

/// A later opening of the journal for writing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opening {
    /// 2 for the second opening, and so on; the header is the first.
    pub epoch: u32,
    /// When.
    pub at: Timestamp,
    /// [`Domain::SCHEMA`] of the build that opened it.
    pub schema: u32,
}

/// A run of commits without a hole that the journal has no more: deltas that were dropped when it was archived, or what
/// was lost before it was recovered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Folded {
    /// The first of them.
    pub from: u64,
    /// The last of them.
    pub to: u64,
    /// The effects whose deltas they were, in ascending order. Each ends in a later commit. Empty where the commits
    /// were lost: then nothing is known of them.
    pub of: Vec<EffectKey>,
}

impl Folded {
    /// What stands for commits that were lost.
    #[must_use]
    pub fn lost(from: u64, to: u64) -> Self {
        let of = Vec::new();
        Self { from, to, of }
    }

    /// Whether the commits were lost, and not dropped because they meant nothing more.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.of.is_empty()
    }
}

/// The running CRC of a journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Chain(u32);

impl Serialize for Chain {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Chain {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let chain = u32::from_str_radix(&text, 16).map(Self);
        chain.map_err(|_| serde::de::Error::custom("a chain is eight hexadecimal digits"))
    }
}

impl std::fmt::Display for Chain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

impl Chain {
    fn hex(self) -> impl Iterator<Item = u8> {
        (0..8).rev().map(move |digit| match (self.0 >> (4 * digit)) & 15 {
            small @ 0..=9 => b'0' + small as u8,
            large => b'a' + (large as u8 - 10),
        })
    }

    fn over(self, bytes: &[u8]) -> Self {
        let mut hasher = crc32fast::Hasher::new_with_initial(self.0);
        hasher.update(bytes);
        Self(hasher.finalize())
    }
}

/// Why a line is not what the journal should hold at its place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// The line has no checksum where it should.
    #[error("the line is not complete: it does not end with its checksum")]
    Unfinished,
    /// The checksum does not fit the bytes and the line before.
    #[error(
        "the checksum does not fit: the line was changed, or the line before it is not the one it was written after"
    )]
    BrokenChain,
    /// The line is well chained but cannot be understood.
    #[error("the line cannot be read: {0}")]
    Unreadable(String),
}

fn seal(mut object: Vec<u8>, chain: Chain) -> (Vec<u8>, Chain) {
    // `serde_json` ends an object with `}`; the checksum becomes its last member.
    object.pop();
    let chain = chain.over(&object);
    object.extend_from_slice(CRC_MEMBER.as_bytes());
    object.extend(chain.hex());
    object.extend_from_slice(b"\"}");
    (object, chain)
}

/// The sequence number in the line of a commit, which it begins with; the rest is not looked at.
#[must_use]
pub fn seq(line: &[u8]) -> Option<u64> {
    let rest = line.strip_prefix(b"{\"seq\":")?;
    let end = rest.iter().position(|byte| !byte.is_ascii_digit())?;
    std::str::from_utf8(rest.get(..end)?).ok()?.parse().ok()
}

/// Puts a line at another place in a chain: what it says stays, its checksum is made anew.
///
/// # Errors
/// [`LineError::Unfinished`] where it has no checksum at its end.
pub fn reseal(line: &[u8], chain: Chain) -> Result<(Vec<u8>, Chain), LineError> {
    let body = line
        .len()
        .checked_sub(CRC_LENGTH)
        .and_then(|length| line.get(..length));
    let mut object = body.ok_or(LineError::Unfinished)?.to_vec();
    if stated(line).is_none() {
        return Err(LineError::Unfinished);
    }
    object.push(b'}');
    Ok(seal(object, chain))
}

/// The chain after a line by the line's own word, which only [`verify`] can tell to be true.
#[must_use]
pub fn stated(line: &[u8]) -> Option<Chain> {
    let tail = line.get(line.len().checked_sub(CRC_LENGTH)?..)?;
    let digits = tail.strip_prefix(CRC_MEMBER.as_bytes())?.strip_suffix(b"\"}")?;
    let digits = std::str::from_utf8(digits).ok()?;
    let chain = Chain(u32::from_str_radix(digits, 16).ok()?);
    // As text: there is one way to write a checksum.
    (chain.to_string() == digits).then_some(chain)
}

/// The chain after a line by what it says, whatever checksum it states; `None` where it is too short to have one.
#[must_use]
pub fn computed(line: &[u8], chain: Chain) -> Option<Chain> {
    let body = line.get(..line.len().checked_sub(CRC_LENGTH)?)?;
    Some(chain.over(body))
}

/// Checks a line's place in the chain and returns the chain after it.
///
/// # Errors
/// [`LineError::Unfinished`] or [`LineError::BrokenChain`].
pub fn verify(line: &[u8], chain: Chain) -> Result<Chain, LineError> {
    let body_length = line.len().checked_sub(CRC_LENGTH).ok_or(LineError::Unfinished)?;
    let (body, tail) = line.split_at_checked(body_length).ok_or(LineError::Unfinished)?;
    let stated = tail
        .strip_prefix(CRC_MEMBER.as_bytes())
        .and_then(|rest| rest.strip_suffix(b"\"}"))
        .ok_or(LineError::Unfinished)?;
    let found = chain.over(body);
    // As text: there is one way to write a checksum.
    if found.hex().eq(stated.iter().copied()) {
        Ok(found)
    } else {
        Err(LineError::BrokenChain)
    }
}

/// The sequence number of a commit's line, and the effect whose delta it is, without parsing the line. `None` for
/// every line that is no marked delta.
#[must_use]
pub fn delta(line: &[u8]) -> Option<(u64, EffectKey)> {
    let (seq, rest) = digits(line.strip_prefix(SEQ_MEMBER)?)?;
    let (effect, rest) = digits(rest.strip_prefix(DELTA_MEMBER)?)?;
    let (ordinal, rest) = digits(rest.strip_prefix(b"/")?)?;
    let ordinal = u16::try_from(ordinal).ok()?;
    rest.starts_with(b"\"")
        .then_some((seq, EffectKey { seq: effect, ordinal }))
}

/// What the line of an opening says; `None` for every other line.
#[must_use]
pub fn opening(line: &[u8]) -> Option<Opening> {
    if !line.starts_with(OPENING) {
        return None;
    }
    let TaggedOpening { opened } = decode(line).ok()?;
    Some(opened)
}

/// The first and the last of the commits that a line `folded` stands for; `None` for every other line.
#[must_use]
pub fn folded(line: &[u8]) -> Option<(u64, u64)> {
    if !line.starts_with(FOLDED) {
        return None;
    }
    let TaggedFolded { folded } = decode(line).ok()?;
    Some((folded.from, folded.to))
}

fn digits(text: &[u8]) -> Option<(u64, &[u8])> {
    let length = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, rest) = text.split_at_checked(length)?;
    let number = number.iter().try_fold(0u64, |sum, digit| {
        sum.checked_mul(10)?.checked_add(u64::from(digit - b'0'))
    });
    (length > 0).then_some((number?, rest))
}

/// Writes a header.
///
/// # Errors
/// Where the kind cannot be serialised.
pub fn encode_header<K: Serialize>(header: &Header<K>) -> Result<(Vec<u8>, Chain), LineError> {
    encode(&Tagged { header }, Chain::default())
}

/// Reads a header.
///
/// # Errors
/// [`LineError`], of each kind.
pub fn decode_header<K: for<'de> Deserialize<'de>>(line: &[u8]) -> Result<(Header<K>, Chain), LineError> {
    let chain = verify(line, Chain::default())?;
    let tagged: TaggedHeader<K> = decode(line)?;
    Ok((tagged.header, chain))
}

/// Writes the line of an opening.
///
/// # Errors
/// Never in practice; serialisation is fallible by its interface.
pub fn encode_opening(opening: &Opening, chain: Chain) -> Result<(Vec<u8>, Chain), LineError> {
    encode(
        &TaggedOpening {
            opened: opening.clone(),
        },
        chain,
    )
}

/// Writes the line that stands for commits which the journal has no more.
///
/// # Errors
/// Never in practice; serialisation is fallible by its interface.
pub fn encode_folded(folded: &Folded, chain: Chain) -> Result<(Vec<u8>, Chain), LineError> {
    encode(
        &TaggedFolded {
            folded: folded.clone(),
        },
        chain,
    )
}

#[derive(Serialize)]
struct Tagged<'a, K> {
    header: &'a Header<K>,
}

#[derive(Deserialize)]
struct TaggedHeader<K> {
    header: Header<K>,
}

#[derive(Serialize, Deserialize)]
struct TaggedOpening {
    opened: Opening,
}

#[derive(Serialize, Deserialize)]
struct TaggedFolded {
    folded: Folded,
}

fn encode<T: Serialize>(value: &T, chain: Chain) -> Result<(Vec<u8>, Chain), LineError> {
    // Most lines fit: one allocation, and none to grow it.
    let mut object = Vec::with_capacity(USUAL_LINE);
    serde_json::to_writer(&mut object, value).map_err(|error| LineError::Unreadable(error.to_string()))?;
    Ok(seal(object, chain))
}

fn decode<'a, T: Deserialize<'a>>(line: &'a [u8]) -> Result<T, LineError> {
    serde_json::from_slice(line).map_err(|error| LineError::Unreadable(error.to_string()))
}

fn is_empty<T>(list: &[T]) -> bool {
    list.is_empty()
}

/// A cause, without the scope where it lies in the journal's own.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum CauseText {
    Here(u64),
    Elsewhere(DispatchId),
}

#[derive(Serialize)]
#[serde(bound = "")]
struct CommitLine<'a, D: Domain> {
    seq: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    delta: Option<EffectKey>,
    at: Timestamp,
    origin: &'a Origin,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<CauseText>,
    #[serde(skip_serializing_if = "Option::is_none")]
    consequence: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    settles: Option<EffectKey>,
    grant: &'a D::Grant,
    event: &'a D::Event,
    facts: &'a [D::Fact],
    #[serde(skip_serializing_if = "is_empty")]
    effects: &'a [D::Effect],
    #[serde(skip_serializing_if = "is_empty")]
    stops: &'a [EffectKey],
    #[serde(skip_serializing_if = "is_empty")]
    closes: &'a [EffectKey],
}

/// Writes the line of a commit; the newline is the journal's.
///
/// # Errors
/// Where event, facts or effects cannot be serialised (a map with keys that are no text, say).
pub fn encode_commit<D: Domain>(commit: &Commit<D>, chain: Chain) -> Result<(Vec<u8>, Chain), LineError> {
    let line = CommitLine::<D> {
        seq: commit.id.seq,
        delta: commit.delta_of(),
        at: commit.at,
        origin: &commit.origin,
        cause: commit.cause.map(|cause| {
            if cause.scope == commit.id.scope && cause.refusal == 0 {
                CauseText::Here(cause.seq)
            } else {
                CauseText::Elsewhere(cause)
            }
        }),
        consequence: commit.consequence,
        settles: commit.settles,
        grant: &commit.grant,
        event: &commit.event,
        facts: &commit.facts,
        effects: &commit.effects,
        stops: &commit.stops,
        closes: &commit.closes,
    };
    encode(&line, chain)
}

/// A line after the header, with the event left as text: loading does not parse events.
#[derive(Debug)]
pub enum Body<'a, D: Domain> {
    /// A later opening.
    Opened(Opening),
    /// A commit.
    Commit(Box<RecordedCommit<'a, D>>),
    /// Commits that the journal has no more.
    Folded(Folded),
}

/// A commit as a journal records it.
#[derive(Debug, Deserialize)]
#[serde(bound = "")]
pub struct RecordedCommit<'a, D: Domain> {
    /// Sequence number.
    pub seq: u64,
    /// When the writer received it.
    pub at: Timestamp,
    origin: Origin,
    #[serde(default)]
    cause: Option<CauseText>,
    #[serde(default)]
    consequence: Option<u16>,
    /// The effect whose result it reports.
    #[serde(default)]
    pub settles: Option<EffectKey>,
    #[serde(borrow)]
    grant: &'a RawValue,
    #[serde(borrow)]
    event: &'a RawValue,
    /// What was decided.
    pub facts: Vec<D::Fact>,
    /// Effects that it released.
    #[serde(default)]
    pub effects: Vec<D::Effect>,
    #[serde(default)]
    stops: Vec<EffectKey>,
    /// Effects that it closed.
    #[serde(default)]
    pub closes: Vec<EffectKey>,
}

impl std::fmt::Debug for CauseText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Here(seq) => seq.fmt(f),
            Self::Elsewhere(id) => id.fmt(f),
        }
    }
}

impl<D: Domain> RecordedCommit<'_, D> {
    /// As [`Commit::delta_of`]; also of lines that are not marked.
    #[must_use]
    pub fn delta_of(&self) -> Option<EffectKey> {
        let ends = self.settles.is_some() || !self.closes.is_empty();
        let asks = !self.effects.is_empty() || !self.stops.is_empty();
        commit::delta_of::<D>(&self.origin, &self.facts, ends || asks)
    }

    /// The effects that it ends.
    pub fn ends(&self) -> impl Iterator<Item = EffectKey> {
        self.settles.into_iter().chain(self.closes.iter().copied())
    }

    /// The event's text, as the journal has it.
    #[must_use]
    pub fn event_text(&self) -> &str {
        self.event.get()
    }

    /// The whole commit, its event parsed.
    ///
    /// # Errors
    /// [`LineError::Unreadable`] where this build does not know the event (any more), or the grant.
    pub fn parse(&self, scope: ScopeId, size: usize) -> Result<Commit<D>, LineError> {
        let unreadable = |error: serde_json::Error| LineError::Unreadable(error.to_string());
        Ok(Commit {
            id: DispatchId::commit(scope, self.seq),
            at: self.at,
            origin: self.origin.clone(),
            cause: self.cause.as_ref().map(|cause| match cause {
                CauseText::Here(seq) => DispatchId::commit(scope, *seq),
                CauseText::Elsewhere(id) => *id,
            }),
            consequence: self.consequence,
            settles: self.settles,
            grant: serde_json::from_str(self.grant.get()).map_err(unreadable)?,
            event: serde_json::from_str(self.event.get()).map_err(unreadable)?,
            facts: self.facts.clone(),
            effects: self.effects.clone(),
            stops: self.stops.clone(),
            closes: self.closes.clone(),
            size,
        })
    }
}

/// Reads a line after the header whose checksum was verified.
///
/// # Errors
/// [`LineError::Unreadable`].
pub fn decode_body<D: Domain>(line: &[u8]) -> Result<Body<'_, D>, LineError> {
    if line.starts_with(OPENING) {
        let tagged: TaggedOpening = decode(line)?;
        return Ok(Body::Opened(tagged.opened));
    }
    if line.starts_with(FOLDED) {
        let tagged: TaggedFolded = decode(line)?;
        return Ok(Body::Folded(tagged.folded));
    }
    Ok(Body::Commit(Box::new(decode(line)?)))
}
