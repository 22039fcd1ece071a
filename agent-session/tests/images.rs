//! Taking images in: what is taken as it is, what is made smaller, and what is refused before it costs anything.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // a test may fail loudly

use std::fs;
use std::io::Cursor;

use glasswork_agent_session::blobs::{BlobRef, BlobStore, Digest};
use glasswork_agent_session::images::{self, EDGE, FILE_BYTES, ImageError, Picture, SENT_BYTES, take_in};
use glasswork_ai::image::{MediaType, NAME_BYTES};
use image::codecs::gif::GifEncoder;
use image::{DynamicImage, Frame, ImageFormat, Rgb, RgbImage, Rgba, RgbaImage};
use proptest::prelude::*;

const FORMATS: [(ImageFormat, MediaType); 3] = [
    (ImageFormat::Png, MediaType::Png),
    (ImageFormat::Jpeg, MediaType::Jpeg),
    (ImageFormat::WebP, MediaType::Webp),
];

fn encoded(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// Something to look at: no two columns are alike.
fn drawn(width: u32, height: u32) -> DynamicImage {
    let pixel = |x: u32, y: u32| Rgb([(x % 251) as u8, (y % 241) as u8, (x / 251) as u8]);
    RgbImage::from_fn(width, height, pixel).into()
}

fn size(picture: &Picture) -> (u32, u32) {
    (picture.image.width, picture.image.height)
}

#[test]
fn what_providers_take_is_taken_as_it_is() {
    for (format, media) in FORMATS {
        let bytes = encoded(&drawn(40, 30), format);
        let picture = take_in("shot", bytes.clone()).unwrap();
        assert_eq!(*picture.bytes, *bytes, "{format:?}");
        assert_eq!(*picture.image.digest, *blake3::hash(&bytes).to_hex());
        assert_eq!(
            (
                picture.image.media,
                size(&picture),
                picture.image.bytes,
                picture.was
            ),
            (media, (40, 30), bytes.len() as u64, None)
        );
    }
    // The largest that fits, and the first that does not, whichever edge it is.
    for edge in [EDGE, EDGE + 1] {
        for ((width, height), expected) in [((edge, 2), (EDGE, 2)), ((2, edge), (2, EDGE))] {
            let picture = take_in("long", encoded(&drawn(width, height), ImageFormat::Png)).unwrap();
            let was = (edge > EDGE).then_some((width, height));
            assert_eq!((size(&picture), picture.was), (expected, was));
        }
    }
}

#[test]
fn what_is_too_large_is_made_smaller() {
    for (format, media) in [
        (ImageFormat::Png, MediaType::Png),
        (ImageFormat::Jpeg, MediaType::Jpeg),
        (ImageFormat::WebP, MediaType::Png),
    ] {
        let picture = take_in("large", encoded(&drawn(2500, 500), format)).unwrap();
        assert_eq!(
            (picture.image.media, size(&picture), picture.was),
            (media, (2000, 400), Some((2500, 500))),
            "{format:?}"
        );
        // It is what it says it is.
        let again = take_in("large", picture.bytes.to_vec()).unwrap();
        assert_eq!(again.image, picture.image, "{format:?}");
    }
}

/// Numbers that cannot be packed.
fn noise() -> impl FnMut() -> u8 {
    let mut state = 1u32;
    move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    }
}

/// How good it is counts for less than how much can be seen, and that for less than that it is sent at all.
#[test]
fn noise_is_sent_with_losses_and_only_then_at_half_its_size() {
    let table = [
        (1150, MediaType::Jpeg, 1150),
        (1600, MediaType::Jpeg, 1600),
        // So small it is not too large without losses either.
        (2000, MediaType::Png, 1000),
    ];
    for (edge, media, sent) in table {
        let mut noise = noise();
        let noisy = RgbImage::from_fn(edge, edge, |_, _| Rgb([noise(), noise(), noise()]));
        let bytes = encoded(&noisy.into(), ImageFormat::Png);
        assert!(bytes.len() > SENT_BYTES);
        let picture = take_in("noise", bytes).unwrap();
        assert_eq!(
            (picture.image.media, size(&picture)),
            (media, (sent, sent)),
            "{} bytes",
            picture.bytes.len()
        );
        assert!(picture.bytes.len() <= SENT_BYTES, "{}", picture.bytes.len());
    }
}

/// What is sent with losses knows no transparency.
#[test]
fn what_lies_on_nothing_is_drawn_on_white() {
    let mut noise = noise();
    let half = |x: u32, value: u8| if x < 600 { 0 } else { value };
    let pixel = |x: u32, _| Rgba([noise(), noise(), noise(), half(x, 255)]);
    let noisy = RgbaImage::from_fn(1200, 1200, pixel);
    let bytes = encoded(&noisy.into(), ImageFormat::Png);
    assert!(bytes.len() > SENT_BYTES);
    let picture = take_in("noise", bytes).unwrap();
    assert_eq!(
        (picture.image.media, size(&picture)),
        (MediaType::Jpeg, (1200, 1200))
    );
    let seen = image::load_from_memory(&picture.bytes).unwrap().to_rgb8();
    let paper = |x: u32| (0..1200).all(|y| seen.get_pixel(x, y).0.iter().all(|value| *value > 250));
    assert!(paper(0) && paper(500) && !paper(700));
}

#[test]
fn of_an_animation_the_first_picture_is_taken() {
    let frame = |colour: [u8; 4]| Frame::new(RgbaImage::from_pixel(8, 6, Rgba(colour)));
    let mut bytes = Vec::new();
    let mut encoder = GifEncoder::new(&mut bytes);
    encoder
        .encode_frames([frame([255, 0, 0, 255]), frame([0, 0, 255, 255])])
        .unwrap();
    drop(encoder);
    let picture = take_in("moving.gif", bytes).unwrap();
    first_of_two(&picture);
    let picture = take_in("moving.webp", moving_webp()).unwrap();
    first_of_two(&picture);
}

/// One red picture, in the format that it says it has.
fn first_of_two(picture: &Picture) {
    assert_eq!((picture.image.media, size(picture)), (MediaType::Png, (8, 6)));
    let seen = image::load_from_memory_with_format(&picture.bytes, ImageFormat::Png).unwrap();
    assert!(seen.to_rgb8().pixels().all(|pixel| pixel.0 == [255, 0, 0]));
}

/// A red picture and a blue one, in the container of
/// [WebP](https://developers.google.com/speed/webp/docs/riff_container).
fn moving_webp() -> Vec<u8> {
    let chunk = |kind: &[u8; 4], data: &[u8]| {
        let padding: &[u8] = if data.len() % 2 == 1 { &[0] } else { &[] };
        [kind.as_slice(), &(data.len() as u32).to_le_bytes(), data, padding].concat()
    };
    let frame = |colour: [u8; 3]| {
        let still = encoded(&RgbImage::from_pixel(8, 6, Rgb(colour)).into(), ImageFormat::WebP);
        // Its place; width and height less one; 100 ms; neither blended nor disposed of. Then what is in a still picture.
        let head = [0, 0, 0, 0, 0, 0, 7, 0, 0, 5, 0, 0, 100, 0, 0, 2];
        chunk(b"ANMF", &[&head, &still[12..]].concat())
    };
    let body = [
        b"WEBP".to_vec(),
        chunk(b"VP8X", &[2, 0, 0, 0, 7, 0, 0, 5, 0, 0]),
        chunk(b"ANIM", &[0; 6]),
        frame([255, 0, 0]),
        frame([0, 0, 255]),
    ]
    .concat();
    chunk(b"RIFF", &body)
}

#[test]
fn a_photograph_that_lies_on_its_side_stands_when_it_is_written_anew() {
    // An APP1 segment of EXIF with one entry: orientation 6, to be turned by a quarter.
    let exif: &[u8] =
        b"\xff\xe1\x00\x22Exif\0\0II\x2a\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
    let turned = |width, height| {
        let plain = encoded(&drawn(width, height), ImageFormat::Jpeg);
        [&plain[..2], exif, &plain[2..]].concat()
    };
    let picture = take_in("photo.jpg", turned(3000, 600)).unwrap();
    assert_eq!((size(&picture), picture.was), ((400, 2000), Some((3000, 600))));
    // One that fits is sent with its mark, as it is.
    let small = turned(300, 60);
    assert_eq!(*take_in("photo.jpg", small.clone()).unwrap().bytes, *small);
}

/// A PNG that says how large it is, and has next to nothing in it.
fn bomb(width: u32, height: u32) -> Vec<u8> {
    let chunk = |kind: &[u8; 4], data: &[u8]| {
        let body = [kind.as_slice(), data].concat();
        let crc = crc32fast::hash(&body);
        [&(data.len() as u32).to_be_bytes()[..], &body, &crc.to_be_bytes()].concat()
    };
    let size = [width.to_be_bytes(), height.to_be_bytes()].concat();
    let header = [&size[..], &[8, 6, 0, 0, 0]].concat();
    [
        b"\x89PNG\r\n\x1a\n".to_vec(),
        chunk(b"IHDR", &header),
        chunk(b"IDAT", b"\x78\x9c\x03\x00\x00\x00\x00\x01"),
        chunk(b"IEND", b""),
    ]
    .concat()
}

#[test]
fn a_bomb_is_not_decoded() {
    let refused = take_in("bomb.png", bomb(50_000, 50_000)).unwrap_err();
    let ImageError::TooManyPixels { width, height } = refused else {
        panic!("{refused:?}")
    };
    assert_eq!((width, height), (50_000, 50_000));
    for size in [
        (u32::MAX, u32::MAX),
        (i32::MAX as u32, i32::MAX as u32),
        (1, u32::MAX),
        (0, 0),
    ] {
        assert!(take_in("bomb.png", bomb(size.0, size.1)).is_err(), "{size:?}");
    }
    // Few pixels, and fewer bytes than they need.
    let refused = take_in("thin.png", bomb(100, 100)).unwrap_err();
    assert!(matches!(refused, ImageError::Broken(_)), "{refused:?}");
}

#[test]
fn what_is_cut_off_is_damaged() {
    let all = [
        ImageFormat::Png,
        ImageFormat::Jpeg,
        ImageFormat::WebP,
        ImageFormat::Gif,
    ];
    for format in all {
        let bytes = encoded(&drawn(64, 64), format);
        for left in [bytes.len() / 2, bytes.len() - 40] {
            let refused = take_in("cut", bytes[..left].to_vec()).unwrap_err();
            assert!(
                matches!(refused, ImageError::Broken(_)),
                "{format:?} {left}: {refused:?}"
            );
        }
    }
}

/// The end of a preview among its segments is not the end of a photograph, and bytes that fill are no segment.
#[test]
fn the_segments_of_a_photograph_are_passed_over() {
    let plain = encoded(&drawn(64, 64), ImageFormat::Jpeg);
    let preview: &[u8] = b"\xff\xe1\x00\x08ab\xff\xd9cd";
    let filled: &[u8] = b"\xff\xff\xff";
    let photo = [&plain[..2], preview, filled, &plain[2..]].concat();
    assert_eq!(*take_in("photo.jpg", photo.clone()).unwrap().bytes, *photo);
    for left in [photo.len() / 2, photo.len() - 2] {
        let refused = take_in("cut.jpg", photo[..left].to_vec()).unwrap_err();
        assert!(matches!(refused, ImageError::Broken(_)), "{left}: {refused:?}");
    }
}

#[test]
fn what_is_no_image_file_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("text.png"), "I am a text.").unwrap();
    fs::write(path("empty.png"), "").unwrap();
    fs::write(path("drawing.bmp"), b"BM\x1e\0\0\0\0\0\0\0\x1a\0\0\0").unwrap();
    fs::create_dir(path("folder.png")).unwrap();
    let long = fs::File::create(path("long.png")).unwrap();
    long.set_len(FILE_BYTES + 5).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(path("socket.png")).unwrap();
    let told = |name: &str| images::read(&path(name)).unwrap_err().to_string();
    let kinds = "is no image of a kind that is taken; convert it to PNG, JPEG, GIF or WebP";
    for name in ["text.png", "empty.png", "drawing.bmp"] {
        assert_eq!(told(name), kinds, "{name}");
    }
    assert_eq!(told("folder.png"), "is a directory, not a file");
    assert_eq!(told("socket.png"), "is a socket, not a file");
    assert_eq!(
        told("long.png"),
        "has 33554437 bytes, more than the 33554432 that are taken; make the image smaller"
    );
    assert!(told("nothing.png").starts_with("cannot be read: "));
    // The name is not believed.
    fs::write(path("really.txt"), encoded(&drawn(3, 3), ImageFormat::Png)).unwrap();
    assert_eq!(
        &*images::read(&path("really.txt")).unwrap().image.name,
        "really.txt"
    );
}

#[test]
fn one_image_is_kept_once() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = BlobStore::new(folder.path());
    let picture = take_in("one.png", encoded(&drawn(9, 9), ImageFormat::Png)).unwrap();
    images::keep(&blobs, &picture).unwrap();
    images::keep(&blobs, &picture).unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    let digest: Digest = picture.image.digest.parse().unwrap();
    let kept = blobs.get(&BlobRef {
        digest,
        len: picture.image.bytes,
    });
    assert_eq!(*kept.unwrap(), *picture.bytes);
}

#[test]
fn of_a_long_name_the_end_is_kept() {
    let name = format!("{}.png", "é".repeat(300));
    let picture = take_in(&name, encoded(&drawn(1, 1), ImageFormat::Png)).unwrap();
    let kept = &*picture.image.name;
    assert!(
        kept.len() <= NAME_BYTES && kept.len() > NAME_BYTES - 2,
        "{}",
        kept.len()
    );
    assert!(name.ends_with(kept));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn nothing_that_is_damaged_breaks_anything(
        which in 0..4usize,
        places in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        left in any::<prop::sample::Index>(),
    ) {
        let format = [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP, ImageFormat::Gif][which];
        let mut bytes = encoded(&drawn(20, 20), format);
        for (place, byte) in places {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        let left = left.index(bytes.len() * 2).min(bytes.len());
        bytes.truncate(left);
        if let Ok(picture) = take_in("any", bytes) {
            prop_assert!(picture.image.width.max(picture.image.height) <= EDGE);
            prop_assert!(picture.bytes.len() <= SENT_BYTES);
        }
    }
}
