//! Taking images in: looked at before they are decoded, decoded before they are believed, made smaller where providers
//! would refuse them, and kept as blobs.
//!
//! Everything here blocks and may take a while; call it where blocking is allowed, never on the writer.

use std::fs::File;
use std::io::{Cursor, Read as _};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use glasswork_ai::conversation::{Message, Request};
use glasswork_ai::image::{Image, MediaType, NAME_BYTES, Unsent};
use image::codecs::jpeg::JpegEncoder;
use image::codecs::webp::WebPDecoder;
use image::imageops::FilterType;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError as DecodeError, ImageFormat, ImageReader, Rgb, RgbImage};
use thiserror::Error;

use crate::blobs::{BlobError, BlobRef, BlobStore, Digest};
use crate::tools::FileKind;

/// Most bytes of a file that is looked at.
pub const FILE_BYTES: u64 = 32 << 20;
/// Most pixels that are decoded: what a good camera makes. Four bytes each lie in memory meanwhile.
pub const PIXELS: u64 = 64_000_000;
/// Most memory that decoding takes, in bytes.
const DECODING_BYTES: u64 = 512 << 20;
/// Most pixels of an edge that are sent. Anthropic takes 8000, but 2000 where a request has more than 20 images
/// ([vision](https://docs.anthropic.com/en/docs/build-with-claude/vision)), and a conversation may come to have them;
/// OpenAI itself brings images down to 2000 or less
/// ([images](https://platform.openai.com/docs/guides/images-vision)).
pub const EDGE: u32 = 2000;
/// Most bytes that are sent. Anthropic takes 5 MB of base64, which are so many bytes; OpenAI and Gemini take more.
pub const SENT_BYTES: usize = 3_750_000;

/// An image that was taken in, with its bytes: those of the file where providers take them as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// What it is.
    pub image: Image,
    /// The bytes that are sent.
    pub bytes: Arc<[u8]>,
    /// Its size in the file, where that is another one: pixels from left to right and from top to bottom.
    pub was: Option<(u32, u32)>,
}

/// Why a file is not taken as an image.
#[derive(Debug, Error)]
pub enum ImageError {
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// It is something else than a file.
    #[error("is {}, not a file", .0.name())]
    NotAFile(FileKind),
    /// It is longer than is looked at.
    #[error("has {bytes} bytes, more than the {FILE_BYTES} that are taken; make the image smaller")]
    TooLarge {
        /// Its length.
        bytes: u64,
    },
    /// It has more pixels than are decoded.
    #[error("has {width} x {height} pixels, more than the {PIXELS} that are taken; make the image smaller")]
    TooManyPixels {
        /// Pixels from left to right.
        width: u32,
        /// Pixels from top to bottom.
        height: u32,
    },
    /// Its content is no image of a kind that is known.
    #[error("is no image of a kind that is taken; convert it to PNG, JPEG, GIF or WebP")]
    UnknownType,
    /// It begins like an image, and is none.
    #[error("is damaged or incomplete: {0}")]
    Broken(String),
}

impl From<DecodeError> for ImageError {
    fn from(error: DecodeError) -> Self {
        Self::Broken(error.to_string())
    }
}

/// The kind of image that a file is by its beginning, whatever it is called.
fn format_of(beginning: &[u8]) -> Option<ImageFormat> {
    let format = image::guess_format(beginning).ok()?;
    matches!(
        format,
        ImageFormat::Png | ImageFormat::Jpeg | ImageFormat::Gif | ImageFormat::WebP
    )
    .then_some(format)
}

/// Whether a file that begins like this is taken for an image.
#[must_use]
pub fn is_image(beginning: &[u8]) -> bool {
    format_of(beginning).is_some()
}

/// Takes a file in. Opens nothing that could wait.
///
/// # Errors
/// [`ImageError`].
pub fn read(path: &Path) -> Result<Picture, ImageError> {
    let metadata = std::fs::metadata(path)?;
    match FileKind::of(metadata.file_type()) {
        FileKind::File => {}
        other => return Err(ImageError::NotAFile(other)),
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    take_in(&name, read_all(File::open(path)?)?)
}

/// All of a file, if it is not too long; whatever its length is said to be.
pub(crate) fn read_all(file: File) -> Result<Vec<u8>, ImageError> {
    let said = file.metadata()?.len();
    if said > FILE_BYTES {
        return Err(ImageError::TooLarge { bytes: said });
    }
    let mut bytes = Vec::new();
    let length = file.take(FILE_BYTES + 1).read_to_end(&mut bytes)? as u64;
    match length > FILE_BYTES {
        true => Err(ImageError::TooLarge { bytes: length }),
        false => Ok(bytes),
    }
}

/// Takes the content of a file in. Of an animation the first picture is taken.
///
/// # Errors
/// [`ImageError`].
pub fn take_in(name: &str, bytes: Vec<u8>) -> Result<Picture, ImageError> {
    // An image of a few kilobytes may take half a gigabyte to decode: one at a time.
    static DECODING: Mutex<()> = Mutex::new(());
    let _one = DECODING.lock().unwrap_or_else(PoisonError::into_inner);

    let format = format_of(&bytes).ok_or(ImageError::UnknownType)?;
    let decoded = Decoded::of(&bytes, format)?;
    let size = (decoded.picture.width(), decoded.picture.height());
    let as_it_is = match format {
        _ if size.0.max(size.1) > EDGE || bytes.len() > SENT_BYTES || decoded.moves => None,
        ImageFormat::Png => Some(MediaType::Png),
        ImageFormat::Jpeg => Some(MediaType::Jpeg),
        ImageFormat::WebP => Some(MediaType::Webp),
        // Gemini takes no GIF.
        _ => None,
    };
    let (media, bytes, sent) = match as_it_is {
        Some(media) => (media, bytes, size),
        None => decoded.smaller(format == ImageFormat::Jpeg)?,
    };
    Ok(Picture {
        image: Image {
            digest: Digest::of(&bytes).to_string().into(),
            media,
            width: sent.0,
            height: sent.1,
            bytes: bytes.len() as u64,
            name: shortened(name).into(),
        },
        bytes: bytes.into(),
        was: (sent != size).then_some(size),
    })
}

/// The end of a name is what tells most.
fn shortened(name: &str) -> &str {
    let from = name.len().saturating_sub(NAME_BYTES);
    let from = (from..=name.len()).find(|place| name.is_char_boundary(*place));
    from.and_then(|from| name.get(from..)).unwrap_or_default()
}

/// An image as it is written: its form, its bytes, its width and height.
type Written = (MediaType, Vec<u8>, (u32, u32));

/// What a file holds.
struct Decoded {
    /// The picture, as it lies in the file.
    picture: DynamicImage,
    /// How it is to be turned.
    orientation: Orientation,
    /// Whether it is the first of several.
    moves: bool,
}

impl Decoded {
    fn of(bytes: &[u8], format: ImageFormat) -> Result<Self, ImageError> {
        let mut limits = image::Limits::default();
        limits.max_alloc = Some(DECODING_BYTES);
        let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
        reader.limits(limits);
        let mut decoder = reader.into_decoder()?;
        // All formats say so at their beginning, and nothing of the picture is read before.
        let (width, height) = decoder.dimensions();
        if u64::from(width) * u64::from(height) > PIXELS {
            return Err(ImageError::TooManyPixels { width, height });
        }
        if format == ImageFormat::Jpeg && !is_whole_jpeg(bytes) {
            return Err(ImageError::Broken("the end of the picture is missing".to_owned()));
        }
        let orientation = decoder.orientation()?;
        let picture = DynamicImage::from_decoder(decoder)?;
        let moves = format == ImageFormat::WebP && WebPDecoder::new(Cursor::new(bytes))?.has_animation();
        Ok(Self {
            picture,
            orientation,
            moves,
        })
    }

    /// Written anew within the limits: without loss where that is small enough, unless it was a photograph.
    fn smaller(self, photograph: bool) -> Result<Written, ImageError> {
        let mut picture = self.picture;
        picture.apply_orientation(self.orientation);
        let mut edge = EDGE;
        loop {
            if picture.width().max(picture.height()) > edge {
                picture = picture.resize(edge, edge, FilterType::Triangle);
            }
            let size = (picture.width(), picture.height());
            let mut bytes = Vec::new();
            if !photograph {
                let plain = match picture.color().has_alpha() {
                    true => DynamicImage::ImageRgba8(picture.to_rgba8()),
                    false => DynamicImage::ImageRgb8(picture.to_rgb8()),
                };
                plain.write_to(&mut Cursor::new(&mut bytes), ImageFormat::Png)?;
                if bytes.len() <= SENT_BYTES {
                    return Ok((MediaType::Png, bytes, size));
                }
            }
            for quality in [85, 60] {
                bytes.clear();
                on_white(&picture).write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, quality))?;
                if bytes.len() <= SENT_BYTES {
                    return Ok((MediaType::Jpeg, bytes, size));
                }
            }
            edge /= 2;
        }
    }
}

/// JPEG knows no transparency; what is drawn on nothing is mostly meant for paper.
fn on_white(picture: &DynamicImage) -> RgbImage {
    if !picture.color().has_alpha() {
        return picture.to_rgb8();
    }
    let over = |value: u8, alpha: u8| {
        let (value, alpha) = (u16::from(value), u16::from(alpha));
        u8::try_from((value * alpha + 255 * (255 - alpha)) / 255).unwrap_or(u8::MAX)
    };
    let drawn = picture.to_rgba8();
    RgbImage::from_fn(drawn.width(), drawn.height(), |x, y| {
        let image::Rgba([red, green, blue, alpha]) = *drawn.get_pixel(x, y);
        Rgb([over(red, alpha), over(green, alpha), over(blue, alpha)])
    })
}

/// Whether a JPEG has the mark of its end, which its decoder does not miss: it paints the rest grey. The segments before
/// the picture are passed over by their lengths, since a preview among them has such a mark too.
fn is_whole_jpeg(bytes: &[u8]) -> bool {
    const START_OF_SCAN: u8 = 0xDA;
    let mut rest = bytes.get(2..).unwrap_or_default();
    loop {
        match rest {
            // Padding.
            [0xFF, 0xFF, ..] => rest = rest.get(1..).unwrap_or_default(),
            [0xFF, START_OF_SCAN, scan @ ..] => return scan.windows(2).any(|mark| mark == [0xFF, 0xD9]),
            [0xFF, _, high, low, ..] => {
                let length = usize::from(u16::from_be_bytes([*high, *low]));
                rest = rest.get(2 + length..).unwrap_or_default();
            }
            _ => return false,
        }
    }
}

/// Keeps an image among the blobs of a session: after this, an event may name it. One that is there is not written
/// again.
///
/// # Errors
/// [`BlobError`].
pub fn keep(blobs: &BlobStore, picture: &Picture) -> Result<(), BlobError> {
    blobs.put(&picture.bytes).map(drop)
}

/// Loads the bytes of a request's images. One that is lost goes as a text that says so, and is told with the request.
pub(crate) fn load(blobs: &BlobStore, request: &mut Request) {
    for message in &mut request.messages {
        let Message::Image(shown) = message else { continue };
        if shown.bytes == Err(Unsent::TooMuch) {
            continue;
        }
        let kept = shown.image.digest.parse().ok().and_then(|digest| {
            let len = shown.image.bytes;
            blobs.get(&BlobRef { digest, len }).ok()
        });
        shown.bytes = kept.map(Arc::from).ok_or(Unsent::Missing);
    }
}
