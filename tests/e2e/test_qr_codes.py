"""What a phone's camera makes of a link's QR code: zbar reads the images back."""

import io
import re
import shutil
import subprocess
import uuid

import pytest
from PIL import Image

from conftest import assert_error, link_path


@pytest.fixture(scope="session", autouse=True)
def tools():
    for tool, package in {"zbarimg": "zbar-tools", "rsvg-convert": "librsvg2-bin"}.items():
        assert shutil.which(tool), f"{tool} is missing: install the Debian package {package}"


@pytest.fixture
def link(service, chats, alice):
    return service.http(alice).share(chats.new_chat(alice.sub))


def qr_code(service, link, *, accept=None, **options):
    return service.http().get(
        f"{link_path(link)}/qr_code", params=options, headers={"Accept": accept or "*/*"}
    )


def png_of(answer):
    """The image of an answer, be it PNG or SVG."""
    assert answer.status_code == 200, (answer.status_code, answer.text[:2000])
    kind = answer.headers["Content-Type"].split(";")[0]
    if kind == "image/png":
        return Image.open(io.BytesIO(answer.content)).convert("L")
    assert kind == "image/svg+xml"
    drawn = subprocess.run(
        ["rsvg-convert", "--format", "png", "--background-color", "white"],
        input=answer.content,
        capture_output=True,
        timeout=60,
        check=True,
    )
    return Image.open(io.BytesIO(drawn.stdout)).convert("L")


def scan(image, tmp_path):
    """The text that zbar reads, the image lying on white paper."""
    border = max(16, image.width // 8)
    paper = Image.new("L", (image.width + 2 * border, image.height + 2 * border), 255)
    paper.paste(image, (border, border))
    file = tmp_path / f"{uuid.uuid4()}.png"
    paper.save(file)
    read = subprocess.run(
        ["zbarimg", "--raw", "-q", "--nodbus", "-Sdisable", "-Sqrcode.enable", str(file)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert read.returncode == 0, f"zbar read nothing: {read.stderr}"
    return read.stdout.rstrip("\n")


@pytest.mark.parametrize("format", ["png", "svg"])
@pytest.mark.parametrize("size", [200, 256, 333, 512, 1000, 2048])
def test_a_code_of_any_size_scans_to_the_url(service, link, tmp_path, format, size):
    image = png_of(qr_code(service, link, format=format, size=size))
    assert image.size == (size, size)
    assert scan(image, tmp_path) == link["url"]


@pytest.mark.parametrize("format", ["png", "svg"])
@pytest.mark.parametrize("error_correction", ["L", "M", "Q", "H"])
@pytest.mark.parametrize("margin", [0, 1, 4, 16])
def test_a_code_with_any_margin_and_error_correction_scans_to_the_url(
    service, link, tmp_path, format, error_correction, margin
):
    image = png_of(qr_code(service, link, format=format, size=480, margin=margin, error_correction=error_correction))
    assert image.size == (480, 480)
    assert scan(image, tmp_path) == link["url"]


def test_the_code_fills_the_image_but_for_its_margin(service, link):
    for margin in (0, 4, 16):
        image = png_of(qr_code(service, link, size=1024, margin=margin, format="png"))
        left, top, right, bottom = image.point(lambda value: 255 * (value < 128)).getbbox()
        module = (right - left) / 25  # At least 25 modules a side, so this is a module's size at most.
        assert abs(left - (image.width - right)) <= module and abs(top - (image.height - bottom)) <= module
        if margin == 0:
            assert right - left > 0.7 * image.width
        else:
            assert left > 0 and top > 0


def test_the_code_of_the_response_is_the_codes_own_address(service, link, tmp_path):
    answer = service.http().get(link["qr_code_url"], headers={"Accept": "*/*"})
    assert answer.headers["Content-Type"] == "image/png"
    assert scan(png_of(answer), tmp_path) == link["url"]


@pytest.mark.parametrize("format", ["png", "svg"])
def test_a_code_shows_the_public_address_that_the_operator_set(start_service, own_chats, alice, tmp_path, format):
    service = start_service(PUBLIC_URL="https://chat.example.org/a/long/enough/path", SHARE_PATH="/see/{id}/now")
    link = service.http(alice).share(own_chats.new_chat(alice.sub))
    assert link["url"] == f"https://chat.example.org/a/long/enough/path/see/{link['id']}/now"
    assert scan(png_of(qr_code(service, link, format=format, size=400)), tmp_path) == link["url"]


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (None, "image/png"),
        ("*/*", "image/png"),
        ("image/*", "image/png"),
        ("image/png", "image/png"),
        ("image/svg+xml", "image/svg+xml"),
        ("image/svg+xml, image/png;q=0.5", "image/svg+xml"),
        ("image/avif,image/webp,image/png,image/svg+xml;q=0.8,*/*;q=0.5", "image/png"),
    ],
)
def test_without_a_format_the_accept_header_decides(service, link, tmp_path, accept, kind):
    answer = qr_code(service, link, accept=accept)
    assert answer.headers["Content-Type"].split(";")[0] == kind
    assert scan(png_of(answer), tmp_path) == link["url"]


def test_a_format_asked_for_wins_over_the_accept_header(service, link):
    assert qr_code(service, link, accept="image/svg+xml", format="png").headers["Content-Type"] == "image/png"


@pytest.mark.parametrize(
    "options",
    [
        {"size": 63},
        {"size": 2049},
        {"size": -1},
        {"size": "big"},
        {"margin": -1},
        {"margin": 17},
        {"error_correction": "X"},
        {"error_correction": ""},
        {"format": "gif"},
    ],
    ids=repr,
)
def test_an_option_out_of_range_is_refused_by_name(service, link, options):
    [name] = options
    assert name in assert_error(qr_code(service, link, accept="application/json", **options), 400)


def test_too_small_a_size_is_refused_with_the_least_one_which_then_scans(service, link, tmp_path):
    for options in ({"margin": 16, "error_correction": "H"}, {"margin": 4, "error_correction": "H"}):
        message = assert_error(qr_code(service, link, accept="application/json", size=64, **options), 400)
        [least] = [number for number in map(int, re.findall(r"\d+", message)) if 64 < number <= 400]
        assert_error(qr_code(service, link, accept="application/json", size=least - 1, **options), 400)
        image = png_of(qr_code(service, link, size=least, format="png", **options))
        assert image.size == (least, least)
        assert scan(image, tmp_path) == link["url"]


def test_the_code_of_a_private_link_is_public_and_that_of_a_dead_link_404(service, chats, alice, tmp_path):
    owner = service.http(alice)
    private = owner.share(chats.new_chat(alice.sub), is_private=True)
    assert scan(png_of(qr_code(service, private)), tmp_path) == private["url"]
    assert owner.delete(link_path(private)).status_code == 204
    assert_error(qr_code(service, private), 404, "not_found")
    assert_error(qr_code(service, str(uuid.uuid4())), 404, "not_found")


def test_a_code_that_is_known_is_not_sent_again(service, link):
    first = qr_code(service, link, size=300)
    path = f"{link_path(link)}/qr_code"
    again = service.http().get(path, params={"size": 300}, headers={"Accept": "*/*", "If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert "no-cache" in first.headers["Cache-Control"]
    assert qr_code(service, link, size=301).headers["ETag"] != first.headers["ETag"]
