use image::{ColorType, GrayImage, ImageFormat};

use super::*;

/// A usual link: 61 characters.
const LINK: &str = "https://example.org/shared/2f1a7c3e-98b4-4d06-a5f2-0c9e7d1b3a64";
const LEVELS: [ErrorCorrection; 4] =
    [ErrorCorrection::L, ErrorCorrection::M, ErrorCorrection::Q, ErrorCorrection::H];

fn options(format: QrFormat, size: u32, margin: u32, level: ErrorCorrection) -> QrOptions {
    QrOptions { format, size, margin, error_correction: level }
}

/// The scanned text, and the error correction as 0–3 in the order of the format bits.
fn scanned(image: &GrayImage) -> (String, u16) {
    // A scanner needs a light border; with a margin of 0 the page provides it.
    let (around, side) = (16, image.width() as usize + 32);
    let mut prepared = rqrr::PreparedImage::prepare_from_greyscale(side, side, |x, y| {
        let inside = |at: usize| at.checked_sub(around).and_then(|at| u32::try_from(at).ok());
        match (inside(x), inside(y)) {
            (Some(x), Some(y)) => image.get_pixel_checked(x, y).map_or(255, |pixel| pixel.0[0]),
            _ => 255,
        }
    });
    let grids = prepared.detect_grids();
    assert_eq!(grids.len(), 1, "one code in the image");
    let (meta, text) = grids[0].decode().unwrap();
    (text, meta.ecc_level)
}

fn png(options: &QrOptions) -> GrayImage {
    let bytes = render(LINK, options).unwrap();
    image::load_from_memory_with_format(&bytes, ImageFormat::Png).unwrap().into_luma8()
}

fn least(margin: u32, level: ErrorCorrection, format: QrFormat) -> u32 {
    match render(LINK, &options(format, 64, margin, level)) {
        Err(QrError::TooSmall { least }) => least,
        other => panic!("64 pixels are too few: {other:?}"),
    }
}

#[test]
fn a_png_scans_at_every_bound() {
    for level in LEVELS {
        for margin in [0, 1, 4, 16] {
            let least = least(margin, level, QrFormat::Png);
            let largest = (margin == 16).then_some(2048);
            for size in [least, least + 1, 300].into_iter().chain(largest) {
                let image = png(&options(QrFormat::Png, size, margin, level));
                assert_eq!(image.dimensions(), (size, size));
                let bits = match level {
                    ErrorCorrection::L => 1,
                    ErrorCorrection::M => 0,
                    ErrorCorrection::Q => 3,
                    ErrorCorrection::H => 2,
                };
                assert_eq!(scanned(&image), (LINK.to_owned(), bits), "{size} {margin} {level:?}");
            }
        }
    }
}

#[test]
fn the_least_size_works_and_one_pixel_less_does_not() {
    for format in [QrFormat::Png, QrFormat::Svg] {
        for level in LEVELS {
            for margin in [0, 4, 16] {
                let least = least(margin, level, format);
                assert!(render(LINK, &options(format, least, margin, level)).is_ok());
                match render(LINK, &options(format, least - 1, margin, level)) {
                    Err(QrError::TooSmall { least: said }) => assert_eq!(said, least),
                    other => panic!("{} pixels must not do: {other:?}", least - 1),
                }
            }
        }
    }
}

#[test]
fn even_the_largest_code_fits_into_the_largest_size() {
    let text = "x".repeat(1273);
    let largest = options(QrFormat::Png, 2048, 16, ErrorCorrection::H);
    assert!(render(&text, &largest).is_ok());
    assert!(matches!(render(&format!("{text}x"), &largest), Err(QrError::TooLong)));
    assert!(matches!(render_terminal(&"x".repeat(3000)), Err(QrError::TooLong)));
}

#[test]
fn the_quiet_zone_is_at_least_the_margin_and_even_on_both_sides() {
    for size in [301, 302, 330] {
        let image = png(&options(QrFormat::Png, size, 4, ErrorCorrection::M));
        let dark = |x: u32, y: u32| image.get_pixel(x, y).0[0] == 0;
        let columns: Vec<u32> = (0..size).filter(|&x| (0..size).any(|y| dark(x, y))).collect();
        let rows: Vec<u32> = (0..size).filter(|&y| (0..size).any(|x| dark(x, y))).collect();
        assert_eq!(columns, rows, "a code is as wide as it is high");
        let (before, after) = (columns[0], size - 1 - columns[columns.len() - 1]);
        // 61 bytes at M make version 5: 37 modules, so 45 with the margin, of 6 or 7 pixels.
        let scale = size / 45;
        assert!(before >= 4 * scale && after >= 4 * scale, "{before} {after}");
        assert!(after - before <= 1, "{before} {after}");
    }
}

#[test]
fn a_png_is_gray_and_small() {
    let bytes = render(LINK, &QrOptions::default()).unwrap();
    let image = image::load_from_memory_with_format(&bytes, ImageFormat::Png).unwrap();
    assert_eq!((image.color(), image.width(), image.height()), (ColorType::L8, 300, 300));
    assert!(bytes.len() < 2048, "{} bytes", bytes.len());
}

#[test]
fn an_svg_draws_the_same_modules_as_the_png() {
    for (size, margin) in [(300, 4), (333, 0), (2048, 16)] {
        let at = options(QrFormat::Svg, size, margin, ErrorCorrection::Q);
        let svg = String::from_utf8(render(LINK, &at).unwrap()).unwrap();
        let (_, rest) = svg.split_once("translate(").unwrap();
        let number = |text: &str| text.parse::<u32>().unwrap();
        let (offset, rest) = rest.split_once(' ').unwrap();
        let (scale, rest) = rest.split_once("scale(").unwrap().1.split_once(')').unwrap();
        let (offset, scale) = (number(offset), number(scale));
        let path = rest.split_once("d=\"").unwrap().1.split_once('"').unwrap().0;

        let mut drawn = GrayImage::from_pixel(size, size, image::Luma([255]));
        for run in path.split_terminator('z') {
            let (x, rest) = run.strip_prefix('M').unwrap().split_once(' ').unwrap();
            let (y, rest) = rest.split_once('h').unwrap();
            let (length, back) = rest.split_once("v1h-").unwrap();
            assert_eq!(length, back);
            for px in 0..number(length) * scale {
                for py in 0..scale {
                    let (x, y) = (offset + number(x) * scale + px, offset + number(y) * scale + py);
                    drawn.put_pixel(x, y, image::Luma([0]));
                }
            }
        }
        assert_eq!(drawn, png(&QrOptions { format: QrFormat::Png, ..at }));
    }
}

#[test]
fn an_svg_has_its_size_a_white_ground_and_nothing_that_runs() {
    let bytes = render(LINK, &QrOptions { format: QrFormat::Svg, ..QrOptions::default() }).unwrap();
    let svg = String::from_utf8(bytes).unwrap();
    assert!(svg.starts_with(
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="300" height="300" viewBox="0 0 300 300" shape-rendering="crispEdges">"#
    ));
    assert!(svg.contains(r##"<rect width="300" height="300" fill="#fff"/>"##));
    assert!(!svg.contains("<script") && !svg.contains(LINK));
    assert!(svg.len() < 10_000, "{} bytes", svg.len());
}

#[test]
fn the_terminal_form_scans() {
    let drawn = render_terminal(LINK).unwrap();
    let mut rows: Vec<Vec<bool>> = Vec::new();
    for line in drawn.lines() {
        let blocks = line.strip_prefix("\x1b[38;5;16;48;5;231m").unwrap();
        let blocks = blocks.strip_suffix("\x1b[0m").unwrap();
        rows.push(blocks.chars().map(|c| c == '▀' || c == '█').collect());
        rows.push(blocks.chars().map(|c| c == '▄' || c == '█').collect());
    }
    let side = rows[0].len();
    assert!(side < 80 && rows.len() / 2 < 24, "fits a terminal of 80 × 24");
    let light = |row: &Vec<bool>| row.iter().all(|dark| !dark);
    assert!(rows[..2].iter().all(light) && rows[rows.len() - 2..].iter().all(light));
    assert!(rows.iter().all(|row| !(row[0] || row[1] || row[side - 1] || row[side - 2])));

    const SCALE: u32 = 4;
    let pixels = u32::try_from(side).unwrap() * SCALE;
    let image = GrayImage::from_fn(pixels, pixels, |x, y| {
        image::Luma([if rows[(y / SCALE) as usize][(x / SCALE) as usize] { 0 } else { 255 }])
    });
    assert_eq!(scanned(&image).0, LINK);
}
