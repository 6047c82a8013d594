"""The picture of docs/evaluation.md: what a report shows first, with the best, median and worst pictures.

python -m stableidentity_core evaluate run mini_world --out FOLDER
python docs/picture_of_report.py FOLDER
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from helpers.frontend import ARGUMENTS, browser_path  # noqa: E402

PICTURE = ROOT / "docs" / "pictures" / "evaluation.jpg"
WIDTH, SHOWN = 1400, 1000  # pixels of the window and of the picture
QUALITY = 80
# From the title to the end of the pictures.
END = """() => [...document.querySelectorAll('h2')].find((one) => one.textContent.startsWith('People'))
  .getBoundingClientRect().top - 30"""


def main(folder: Path) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path(), args=list(ARGUMENTS))
        page = browser.new_page(viewport={"width": WIDTH, "height": 1000}, color_scheme="light")
        page.goto((folder / "report.html").absolute().as_uri())
        page.wait_for_timeout(1000)
        taken = page.screenshot(full_page=True)
        end = page.evaluate(END)
        browser.close()
    picture = Image.open(io.BytesIO(taken)).convert("RGB").crop((0, 0, WIDTH, round(end)))
    picture = picture.resize((SHOWN, round(picture.height * SHOWN / WIDTH)), Image.Resampling.LANCZOS)
    picture.save(PICTURE, quality=QUALITY, optimize=True)
    print(f"{PICTURE}: {PICTURE.stat().st_size:,} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
