//! The square of dark and light modules that a code consists of.

use qrcode::{
    Color, EcLevel, bits,
    canvas::{Canvas, MaskPattern},
    ec,
};

use super::QrError;

/// The data masks of ISO/IEC 18004, in the order in which the first of equals wins.
const MASKS: [MaskPattern; 8] = [
    MaskPattern::Checkerboard,
    MaskPattern::HorizontalLines,
    MaskPattern::VerticalLines,
    MaskPattern::DiagonalLines,
    MaskPattern::LargeCheckerboard,
    MaskPattern::Fields,
    MaskPattern::Diamonds,
    MaskPattern::Meadow,
];

/// A code, row by row.
pub(super) struct Modules {
    pub width: usize,
    dark: Vec<bool>,
}

impl Modules {
    /// Encodes a text. The crate's `QrCode` would do, and comes to the same modules, but three
    /// quarters of its time go into telling which mask is best.
    pub fn encode(text: &str, level: EcLevel) -> Result<Self, QrError> {
        // The other errors of the crate are for those who choose a version or an ECI designator.
        let bits = bits::encode_auto(text.as_bytes(), level).map_err(|_| QrError::TooLong)?;
        let version = bits.version();
        let words = ec::construct_codewords(&bits.into_bytes(), version, level);
        let (data, correction) = words.map_err(|_| QrError::TooLong)?;
        let mut canvas = Canvas::new(version, level);
        canvas.draw_all_functional_patterns();
        canvas.draw_data(&data, &correction);
        let width = usize::try_from(version.width()).map_err(|_| QrError::TooLong)?;
        let masked = MASKS.into_iter().map(|mask| {
            let mut canvas = canvas.clone();
            canvas.apply_mask(mask);
            Self::new(width, canvas.into_colors())
        });
        masked.min_by_key(Self::penalty).ok_or(QrError::TooLong)
    }

    fn new(width: usize, colors: Vec<Color>) -> Self {
        let dark = colors.into_iter().map(|color| color == Color::Dark).collect();
        Self { width, dark }
    }

    /// Everything outside is light.
    pub fn is_dark(&self, x: usize, y: usize) -> bool {
        x < self.width && y < self.width && self.dark[y * self.width + x]
    }

    /// The runs of dark modules of a row: where each begins, and how long it is.
    pub fn runs(&self, y: usize) -> impl Iterator<Item = (usize, usize)> {
        let mut x = 0;
        std::iter::from_fn(move || {
            while x < self.width && !self.is_dark(x, y) {
                x += 1;
            }
            let start = x;
            while self.is_dark(x, y) {
                x += 1;
            }
            (x > start).then_some((start, x - start))
        })
    }

    /// How much of it a scanner could stumble over (ISO/IEC 18004, "Evaluation of data masking
    /// results"): long runs, blocks, what looks like a corner's finder, more of one colour.
    fn penalty(&self) -> usize {
        let mut columns = Vec::with_capacity(self.dark.len());
        for x in 0..self.width {
            columns.extend(self.dark.iter().skip(x).step_by(self.width));
        }
        let lines = self.dark.chunks_exact(self.width).chain(columns.chunks_exact(self.width));
        let along: usize = lines.map(|line| long_runs(line) + 40 * finders(line)).sum();
        let rows = || self.dark.chunks_exact(self.width);
        let blocks: usize = rows().zip(rows().skip(1)).map(|(row, below)| blocks(row, below)).sum();
        let dark = self.dark.iter().filter(|dark| **dark).count();
        along + 3 * blocks + (200 * dark / self.dark.len()).abs_diff(100)
    }
}

fn long_runs(line: &[bool]) -> usize {
    let runs = line.chunk_by(|one, next| one == next);
    runs.map(<[bool]>::len).filter(|length| *length >= 5).map(|length| length - 2).sum()
}

/// How often seven modules look like a corner's finder with four light ones on either side.
fn finders(line: &[bool]) -> usize {
    const FINDER: u8 = 0b101_1101;
    let is_light = |part: &[bool]| !part.contains(&true);
    let mut seen = 0;
    let found = line.iter().enumerate().filter(|(at, dark)| {
        seen = (seen << 1 | u8::from(**dark)) & 0x7f;
        let (start, end) = (at.saturating_sub(6), at + 1);
        seen == FINDER
            && (is_light(&line[start.saturating_sub(4)..start])
                || is_light(&line[end..line.len().min(end + 4)]))
    });
    found.count()
}

fn blocks(row: &[bool], below: &[bool]) -> usize {
    let pairs = row.windows(2).zip(below.windows(2));
    pairs.filter(|(above, below)| above == below && above[0] == above[1]).count()
}

#[cfg(test)]
mod tests {
    use qrcode::QrCode;

    use super::*;

    #[test]
    fn it_is_what_the_crate_itself_would_draw() {
        for number in 0..40_usize {
            let text = format!("https://chat.example.com/shared/{:032x}", number.pow(7) * 977);
            let text = text + &"Añejo 日本".repeat(number / 4);
            for level in [EcLevel::L, EcLevel::M, EcLevel::Q, EcLevel::H] {
                let expected = QrCode::with_error_correction_level(&text, level).unwrap();
                let modules = Modules::encode(&text, level).unwrap();
                assert_eq!(modules.width, expected.width());
                let colors = expected.into_colors();
                assert_eq!(modules.dark, Modules::new(modules.width, colors).dark, "{text}");
            }
        }
    }
}
