"""Make docs/images/report.png: the demo's second model judged against its first, as the report shows it.

`make screenshots` runs this. It needs Chromium: its path is the first argument, else one is looked for on the PATH.
The picture is of the head, the filters and the images that fell most; the sections between them are left out.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

PICTURE = Path(__file__).parents[1] / "docs" / "images" / "report.png"
SIZE = {"width": 1200, "height": 900}
SHOWN = ["verdict", "filters", "falls"]
REGRESSED = 1
COMMANDS = (
    (0, "demo demo"),
    (0, "evaluate demo/config.yaml --run-id monday"),
    (REGRESSED, "nightly demo/config.yaml --set model=demo/models/v2 --run-id tuesday"),
)


def main():
    """Run the commands in a temporary folder, and take a picture of the page that they leave."""
    names = ("chromium", "chromium-browser", "google-chrome")
    chromium = sys.argv[1] if len(sys.argv) > 1 else next(filter(None, map(shutil.which, names)), None)
    if not chromium:
        sys.exit("no Chromium is on the PATH; name one:  python scripts/screenshot.py /usr/bin/chromium")
    with tempfile.TemporaryDirectory() as folder:
        for expected, command in COMMANDS:
            found = subprocess.run([sys.executable, "-m", "dicebeam", *command.split()], check=False, cwd=folder)
            if found.returncode != expected:
                sys.exit("dicebeam %s: exit code %d, and not %d" % (command, found.returncode, expected))
        (page,) = Path(folder).glob("demo/reports/gate/*/run_id=tuesday/report.html")
        page.write_text(page.read_text(encoding="utf-8").replace(folder + "/", ""), encoding="utf-8")
        take(page, chromium)
    print("wrote %s, %d kB" % (PICTURE, PICTURE.stat().st_size // 1000))


def take(page, chromium):
    """Take the picture, in the page's light colours, and keep 256 of them: that halves the file."""
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        tab = browser.new_page(viewport=SIZE, color_scheme="light")
        tab.goto(page.as_uri())
        choose_class(tab)
        tab.evaluate(
            "shown => document.querySelectorAll('main > section, main > form').forEach("
            "part => { if (!shown.includes(part.id)) part.style.display = 'none' })",
            SHOWN,
        )
        tab.evaluate("document.activeElement.blur(); window.scrollTo(0, 0)")
        tab.screenshot(path=str(PICTURE))
        browser.close()
    with Image.open(PICTURE) as whole:
        few = whole.convert("RGB").quantize(256, Image.Quantize.FASTOCTREE)
    few.save(PICTURE, optimize=True)


def choose_class(tab):
    """Filter the page by the class whose first images show objects, and not only false alarms."""

    def objects(value):
        tab.select_option("#class-filter", value)
        first = [card.inner_text() for card in tab.locator("#falls .card:visible").all()[:4]]
        return sum("false alarm" not in text for text in first)

    values = [option.get_attribute("value") for option in tab.locator("#class-filter option").all()]
    tab.select_option("#class-filter", max(values, key=objects))


if __name__ == "__main__":
    main()
