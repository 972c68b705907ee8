//! QR codes of links as PNG, as SVG, or for a terminal.
//!
//! To add a format: a variant of [`QrFormat`], its content type, and an arm in [`render`] that
//! draws by [`Layout`].

use std::{fmt::Write, ops::RangeInclusive};

use image::{
    ExtendedColorType, GrayImage, ImageEncoder, ImageError, Luma,
    codecs::png::{CompressionType, FilterType, PngEncoder},
    imageops,
};
use qrcode::{Color, EcLevel, QrCode};
use serde::Deserialize;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum QrFormat {
    Png,
    Svg,
}

impl QrFormat {
    pub fn content_type(self) -> &'static str {
        match self {
            QrFormat::Png => "image/png",
            QrFormat::Svg => "image/svg+xml",
        }
    }
}

/// The share of the code that may be damaged (ISO/IEC 18004): about 7, 15, 25 and 30 percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
pub enum ErrorCorrection {
    L,
    #[default]
    M,
    Q,
    H,
}

impl From<ErrorCorrection> for EcLevel {
    fn from(level: ErrorCorrection) -> Self {
        match level {
            ErrorCorrection::L => EcLevel::L,
            ErrorCorrection::M => EcLevel::M,
            ErrorCorrection::Q => EcLevel::Q,
            ErrorCorrection::H => EcLevel::H,
        }
    }
}

/// The parameters of an image (docs/API.md 3, `qr_code`). The HTTP handler checks them against
/// [`QrOptions::SIZES`] and [`QrOptions::MARGINS`]; [`render`] rejects only what would not scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct QrOptions {
    pub format: QrFormat,
    /// Pixels of a side.
    pub size: u32,
    /// Modules of quiet zone on each side.
    pub margin: u32,
    pub error_correction: ErrorCorrection,
}

impl QrOptions {
    /// In pixels.
    pub const SIZES: RangeInclusive<u32> = 64..=2048;
    /// In modules.
    pub const MARGINS: RangeInclusive<u32> = 0..=16;
}

impl Default for QrOptions {
    fn default() -> Self {
        Self {
            format: QrFormat::Png,
            size: 300,
            // What ISO/IEC 18004 asks for.
            margin: 4,
            error_correction: ErrorCorrection::default(),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum QrError {
    /// A module would be less than two pixels wide, which phones do not scan reliably. `least`
    /// pixels work with the same margin and error correction.
    #[error("too small to scan: at least {least} pixels are needed")]
    TooSmall { least: u32 },
    #[error("too long for a QR code")]
    TooLong,
    /// The PNG encoder failed; it does not when it writes to memory.
    #[error("the image could not be written")]
    Png(#[from] ImageError),
}

/// Draws `text` as an image of exactly `options.size` × `options.size` pixels.
pub fn render(text: &str, options: &QrOptions) -> Result<Vec<u8>, QrError> {
    let layout = Layout::new(encode(text, options.error_correction.into())?, options)?;
    match options.format {
        QrFormat::Png => layout.png(),
        QrFormat::Svg => Ok(layout.svg().into_bytes()),
    }
}

fn encode(text: &str, level: EcLevel) -> Result<QrCode, QrError> {
    // The crate's other errors are about a chosen version or ECI designator.
    QrCode::with_error_correction_level(text, level).map_err(|_| QrError::TooLong)
}

/// Draws `text` with half-block characters, two modules each, for a terminal.
///
/// Both colours are from the fixed part of the 256 colours, which themes do not change: it is black
/// on white on dark and on light terminals. Two modules of quiet zone and the lowest error
/// correction keep it within 24 lines for a usual link.
pub fn render_terminal(text: &str) -> Result<String, QrError> {
    const QUIET_ZONE: usize = 2;
    let code = encode(text, EcLevel::L)?;
    let side = code.width() + 2 * QUIET_ZONE;
    let within = QUIET_ZONE..QUIET_ZONE + code.width();
    let is_in_code = |x: usize, y: usize| within.contains(&x) && within.contains(&y);
    let dark = |x: usize, y: usize| {
        is_in_code(x, y) && code[(x - QUIET_ZONE, y - QUIET_ZONE)] == Color::Dark
    };
    let mut out = String::new();
    for y in (0..side).step_by(2) {
        out.push_str("\x1b[38;5;16;48;5;231m");
        out.extend((0..side).map(|x| match (dark(x, y), dark(x, y + 1)) {
            (false, false) => ' ',
            (true, false) => '▀',
            (false, true) => '▄',
            (true, true) => '█',
        }));
        out.push_str("\x1b[0m\n");
    }
    Ok(out)
}

/// Where the modules are drawn: whole pixels each, centred; pixels left over widen the quiet zone.
struct Layout {
    code: QrCode,
    size: u32,
    /// Pixels a module.
    scale: u32,
    /// Pixels before the first module, from the left and from the top.
    offset: u32,
}

impl Layout {
    fn new(code: QrCode, options: &QrOptions) -> Result<Self, QrError> {
        const LEAST_SCALE: u32 = 2;
        let width = u32::try_from(code.width()).map_err(|_| QrError::TooLong)?;
        let across = width.saturating_add(options.margin.saturating_mul(2));
        let scale = options.size / across;
        if scale < LEAST_SCALE {
            return Err(QrError::TooSmall { least: across.saturating_mul(LEAST_SCALE) });
        }
        let offset = (options.size - width * scale) / 2;
        Ok(Self { code, size: options.size, scale, offset })
    }

    fn png(&self) -> Result<Vec<u8>, QrError> {
        let modules = self
            .code
            .render::<Luma<u8>>()
            .quiet_zone(false)
            .module_dimensions(self.scale, self.scale)
            .build();
        let mut image = GrayImage::from_pixel(self.size, self.size, Luma([255]));
        imageops::replace(&mut image, &modules, self.offset.into(), self.offset.into());
        let mut out = Vec::new();
        // Rows repeat the one above. The best compression takes four to six times as long and saves
        // a fifth.
        PngEncoder::new_with_quality(&mut out, CompressionType::Default, FilterType::Up)
            .write_image(&image, self.size, self.size, ExtendedColorType::L8)?;
        Ok(out)
    }

    /// One path in units of modules, scaled to pixels.
    fn svg(&self) -> String {
        let mut path = String::new();
        for (y, row) in self.code.to_colors().chunks_exact(self.code.width()).enumerate() {
            let mut x = 0;
            for run in row.chunk_by(|one, next| one == next) {
                let length = run.len();
                if run[0] == Color::Dark {
                    // Writing to a String cannot fail.
                    let _ = write!(path, "M{x} {y}h{length}v1h-{length}z");
                }
                x += length;
            }
        }
        let Self { size, scale, offset, .. } = self;
        format!(
            r##"<svg xmlns="http://www.w3.org/2000/svg" width="{size}" height="{size}" viewBox="0 0 {size} {size}" shape-rendering="crispEdges"><rect width="{size}" height="{size}" fill="#fff"/><path fill="#000" transform="translate({offset} {offset}) scale({scale})" d="{path}"/></svg>"##
        )
    }
}

#[cfg(test)]
mod tests;
