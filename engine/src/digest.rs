//! Digests of what a state consists of, entity by entity: whether what loads is what was live, and if not, where.

use std::fmt;
use std::io::{self, Write};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

const BYTES: usize = 16;

/// The digest of a value as it is written down: the first half of a BLAKE3 hash of its JSON.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Digest([u8; BYTES]);

struct Hashing(blake3::Hasher);

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Digest {
    /// Of a value. What cannot be written down at all has the digest of nothing.
    #[must_use]
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Self {
        // Many small writes: hashed in blocks.
        let mut buffered = io::BufWriter::with_capacity(8 << 10, Hashing(blake3::Hasher::new()));
        let written = serde_json::to_writer(&mut buffered, value).map_err(io::Error::other);
        let hash = match written.and_then(|()| buffered.into_inner().map_err(io::IntoInnerError::into_error))
        {
            Ok(hashing) => hashing.0.finalize(),
            Err(_) => blake3::hash(b""),
        };
        let mut bytes = [0; BYTES];
        bytes
            .iter_mut()
            .zip(hash.as_bytes())
            .for_each(|(to, from)| *to = *from);
        Self(bytes)
    }

    /// Of each member of a value that is written down as an object; of any other value none. Names stand in order in
    /// what is hashed, at every depth.
    pub fn of_members<T: Serialize + ?Sized>(value: &T, mut each: impl FnMut(&str, Self)) {
        let Ok(mut value) = serde_json::to_value(value) else {
            return;
        };
        // A `Value` has its members in the order in which they came, where any crate of the build wants that.
        value.sort_all_objects();
        if let serde_json::Value::Object(members) = value {
            for (name, member) in &members {
                each(name, Self::of(member));
            }
        }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let wrong = || serde::de::Error::custom("a digest is 32 hexadecimal digits");
        let mut bytes = [0; BYTES];
        for (place, byte) in bytes.iter_mut().enumerate() {
            let digits = text.get(2 * place..2 * place + 2).ok_or_else(wrong)?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| wrong())?;
        }
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_hashed_with_their_names_in_order() {
        #[derive(Serialize)]
        struct Inner {
            b: u8,
            a: [Innermost; 1],
        }
        #[derive(Serialize)]
        struct Innermost {
            d: u8,
            c: u8,
        }
        #[derive(Serialize)]
        struct Outer {
            z: u8,
            y: Inner,
        }
        let value = Outer {
            z: 1,
            y: Inner {
                b: 2,
                a: [Innermost { d: 3, c: 4 }],
            },
        };
        let mut found = Vec::new();
        Digest::of_members(&value, |name, digest| found.push(format!("{name} {digest}")));
        let of = |json: &str| blake3::hash(json.as_bytes()).to_hex()[..2 * BYTES].to_owned();
        let y = of(r#"{"a":[{"c":4,"d":3}],"b":2}"#);
        assert_eq!(found, [format!("y {y}"), format!("z {}", of("1"))]);
    }
}
