//! What images tell besides what they show: where they were made, when, and with what. It is overwritten in place, so
//! that the image is as long as before and shows the same.
//!
//! Formats: JPEG (ITU-T T.81 B.1.1, segments APP1 to APP15 but ICC profiles and Adobe's colours, and COM), PNG (chunks
//! eXIf, tEXt, zTXt, iTXt, tIME), WebP (RIFF chunks EXIF and XMP), GIF (comment and application extensions but loops).

/// An image without its metadata, and how many pieces were overwritten; `None` where it is no image of a format that is
/// known here, or not whole.
pub(super) fn without_metadata(image: &[u8]) -> Option<(Vec<u8>, u64)> {
    let mut out = image.to_vec();
    let removed = match image {
        [0xff, 0xd8, ..] => jpeg(&mut out)?,
        [0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, ..] => png(&mut out)?,
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => webp(&mut out)?,
        [b'G', b'I', b'F', b'8', ..] => gif(&mut out)?,
        _ => return None,
    };
    Some((out, removed))
}

fn clear(image: &mut [u8], from: usize, to: usize) -> Option<u64> {
    let piece = image.get_mut(from..to)?;
    let had_something = piece.iter().any(|byte| *byte != 0);
    piece.fill(0);
    Some(u64::from(had_something))
}

fn jpeg(image: &mut [u8]) -> Option<u64> {
    let (mut place, mut removed) = (2, 0);
    loop {
        let [0xff, marker] = *image.get(place..place + 2)? else {
            return None;
        };
        match marker {
            // Fill bytes, and markers without a length.
            0xff => place += 1,
            0x01 | 0xd0..=0xd8 => place += 2,
            // From here on there is the picture.
            0xda | 0xd9 => return Some(removed),
            _ => {
                let &[high, low] = image.get(place + 2..place + 4)? else {
                    return None;
                };
                let length = usize::from(u16::from_be_bytes([high, low]));
                let (from, to) = (place + 4, place + 2 + length);
                let shows = |name: &[u8]| image.get(from..to).is_some_and(|body| body.starts_with(name));
                let kept = match marker {
                    0xe2 => shows(b"ICC_PROFILE"),
                    0xee => shows(b"Adobe"),
                    0xe1..=0xef | 0xfe => false,
                    _ => true,
                };
                if !kept {
                    removed += clear(image, from, to)?;
                }
                image.get(from..to)?;
                place = to;
            }
        }
    }
}

fn png(image: &mut [u8]) -> Option<u64> {
    let (mut place, mut removed) = (8, 0);
    loop {
        let length: [u8; 4] = image.get(place..place + 4)?.try_into().ok()?;
        let length = usize::try_from(u32::from_be_bytes(length)).ok()?;
        let (kind, from) = (place + 4, place + 8);
        let to = from.checked_add(length)?;
        let name: [u8; 4] = image.get(kind..from)?.try_into().ok()?;
        image.get(to..to.checked_add(4)?)?;
        match &name {
            b"IEND" => return Some(removed),
            b"eXIf" | b"tEXt" | b"zTXt" | b"iTXt" | b"tIME" => {
                // Another, private name, since none of these may be empty: ancillary, and safe to be passed over.
                image.get_mut(kind..from)?.copy_from_slice(b"gwRd");
                clear(image, from, to)?;
                removed += 1;
                let sum = crc32(image.get(kind..to)?);
                image.get_mut(to..to + 4)?.copy_from_slice(&sum.to_be_bytes());
            }
            _ => {}
        }
        place = to + 4;
    }
}

/// The checksum of a chunk (PNG, annex D).
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |mut sum, byte| {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            sum = (sum >> 1) ^ (0xedb8_8320 & 0u32.wrapping_sub(sum & 1));
        }
        sum
    })
}

fn webp(image: &mut [u8]) -> Option<u64> {
    let (mut place, mut removed) = (12, 0);
    while place < image.len() {
        let name: [u8; 4] = image.get(place..place + 4)?.try_into().ok()?;
        let length: [u8; 4] = image.get(place + 4..place + 8)?.try_into().ok()?;
        let length = usize::try_from(u32::from_le_bytes(length)).ok()?;
        let to = (place + 8).checked_add(length)?;
        image.get(place + 8..to)?;
        if matches!(&name, b"EXIF" | b"XMP ") {
            removed += clear(image, place + 8, to)?;
        }
        place = to + length % 2;
    }
    Some(removed)
}

fn gif(image: &mut [u8]) -> Option<u64> {
    let table = |flags: u8| match flags & 0x80 {
        0 => 0,
        _ => 3 << ((flags & 7) + 1),
    };
    let mut place = 13 + table(*image.get(10)?);
    let mut removed = 0;
    loop {
        match *image.get(place)? {
            0x3b => return Some(removed),
            0x2c => {
                place += 10 + table(*image.get(place + 9)?) + 1;
                place = sub_blocks(image, place, false, &mut removed)?;
            }
            0x21 => {
                let label = *image.get(place + 1)?;
                let loops = image
                    .get(place + 3..place + 14)
                    .is_some_and(|name| name == b"NETSCAPE2.0");
                let private = label == 0xfe || (label == 0xff && !loops);
                place = sub_blocks(image, place + 2, private, &mut removed)?;
            }
            _ => return None,
        }
    }
}

/// Goes past blocks that begin with their length, and overwrites them where they are private.
fn sub_blocks(image: &mut [u8], mut place: usize, private: bool, removed: &mut u64) -> Option<usize> {
    loop {
        let length = usize::from(*image.get(place)?);
        let to = place + 1 + length;
        if length == 0 {
            return Some(to);
        }
        match private {
            true => *removed += clear(image, place + 1, to)?,
            false => drop(image.get(place + 1..to)?),
        }
        place = to;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)] // a test fails by panicking

    use super::*;

    fn check(image: &[u8], secret: &str, pieces: u64) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(text(image).contains(secret));
        let (out, removed) = without_metadata(image).unwrap();
        assert_eq!((out.len(), removed), (image.len(), pieces));
        assert!(!text(&out).contains(secret), "{}", text(&out));
        assert!(
            without_metadata(&image[..image.len() - 1]).is_none(),
            "a cut image is not looked into"
        );
    }

    #[test]
    fn what_an_image_tells_besides_is_overwritten_in_place() {
        let jpeg = [
            b"\xff\xd8\xff\xe0\x00\x07JFIF\0".as_slice(),
            b"\xff\xe1\x00\x10Exif\0\0GPS=Rome",
            b"\xff\xe2\x00\x0eICC_PROFILE\0",
            b"\xff\xd9",
        ]
        .concat();
        check(&jpeg, "GPS=Rome", 1);
        let (out, _) = without_metadata(&jpeg).unwrap();
        assert!(
            String::from_utf8_lossy(&out).contains("ICC_PROFILE"),
            "colours stay"
        );

        let chunk = |kind: &[u8; 4], body: &[u8]| {
            let named = [kind.as_slice(), body].concat();
            [
                &u32::try_from(body.len()).unwrap().to_be_bytes()[..],
                &named,
                &crc32(&named).to_be_bytes(),
            ]
            .concat()
        };
        let png = [
            b"\x89PNG\r\n\x1a\n".to_vec(),
            chunk(b"tEXt", b"Author\0Ada"),
            chunk(b"eXIf", b"II*\0GPS=Rome"),
            chunk(b"IEND", b""),
        ]
        .concat();
        check(&png, "Ada", 2);
        let (out, _) = without_metadata(&png).unwrap();
        assert_eq!(
            without_metadata(&out).unwrap(),
            (out, 0),
            "what comes out is a PNG again"
        );
        // The checksum of the last chunk, as the standard's own example has it.
        assert_eq!(crc32(b"IEND"), 0xae42_6082);

        let webp = b"RIFF\x18\0\0\0WEBPEXIF\x08\0\0\0GPS=Rome".to_vec();
        check(&webp, "GPS=Rome", 1);

        let gif = [
            b"GIF89a\x01\0\x01\0\0\0\0".as_slice(),
            b"\x21\xfe\x03Ada\0",
            b"\x3b",
        ]
        .concat();
        check(&gif, "Ada", 1);

        for other in [
            b"".as_slice(),
            b"\x00\x01",
            b"\xff\xd8",
            b"GIF8",
            b"\x89PNG\r\n\x1a\n",
            b"\xff\xfe\xfd",
        ] {
            assert_eq!(without_metadata(other), None, "{other:?}");
        }
    }
}
