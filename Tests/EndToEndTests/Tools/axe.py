# MedBuilder
# SPDX-License-Identifier: Apache-2.0
"""Looks at a page as people do: 320, 768 and 1600 pixels wide, in light and dark, with forced colours and on paper.

Prints every violation that axe finds, every page that is wider than the window, and everything that the browser has to
complain about (a security policy that forbids the page's own style, for one). Exits with 1 if there is anything.

    python3 axe.py http://127.0.0.1:5000/status [--screenshots FOLDER]

Needs Debian's chromium and chromium-driver, and selenium and axe-selenium-python.
"""

import argparse
import pathlib
import sys

from axe_selenium_python import Axe
from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

WIDTHS = [320, 768, 1600]
LOOKS = {
    "light": {"media": "screen", "features": [{"name": "prefers-color-scheme", "value": "light"}]},
    "dark": {"media": "screen", "features": [{"name": "prefers-color-scheme", "value": "dark"}]},
    "forced": {"media": "screen", "features": [{"name": "forced-colors", "value": "active"}]},
    "print": {"media": "print", "features": []},
}


def browser():
    options = Options()
    options.binary_location = "/usr/bin/chromium"
    for argument in ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars"]:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
    # axe takes its time where others use the processor too.
    driver.set_script_timeout(120)
    return driver


def load(driver, url):
    """Loads the page and has it stay: it refreshes itself after some seconds, which may be in the middle of a look."""
    for attempt in range(10):
        driver.get(url)
        try:
            driver.execute_script("window.stop()")
            return
        except WebDriverException:
            # It was just being refreshed.
            if attempt == 9:
                raise


def look(driver, url, width, look_name, folder):
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", LOOKS[look_name])
    driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False},
    )
    load(driver, url)
    where = f"{width} px, {look_name}"
    problems = []

    scroll_width = driver.execute_script("return document.documentElement.scrollWidth")
    if scroll_width > width:
        problems.append(f"{where}: the page is {scroll_width} px wide")
    # The style must be in force, or everything below looks at the wrong page.
    if not driver.execute_script("return document.styleSheets.length && getComputedStyle(document.body).margin == '0px'"):
        problems.append(f"{where}: the style is not in force")

    if folder:
        height = driver.execute_script("return document.documentElement.scrollHeight")
        driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": max(height, 400), "deviceScaleFactor": 1, "mobile": False},
        )
        driver.save_screenshot(str(folder / f"{width}-{look_name}.png"))

    axe = Axe(driver)
    axe.inject()
    for violation in axe.run()["violations"]:
        for node in violation["nodes"]:
            problems.append(f"{where}: {violation['id']} ({violation['impact']}): {violation['help']}: {node['html'][:200]}")
    for entry in driver.get_log("browser"):
        # An unhealthy server says 503, and no icon is offered.
        if "the server responded with a status of" not in entry["message"]:
            problems.append(f"{where}: {entry['level']}: {entry['message']}")
    return problems


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--screenshots", type=pathlib.Path, help="a folder for one picture of each look")
    arguments = parser.parse_args()
    if arguments.screenshots:
        arguments.screenshots.mkdir(parents=True, exist_ok=True)
    driver = browser()
    problems = []
    try:
        for width in WIDTHS:
            for look_name in LOOKS:
                problems += look(driver, arguments.url, width, look_name, arguments.screenshots)
    finally:
        driver.quit()
    for problem in problems:
        print(problem)
    if not problems:
        print(f"no violation at {WIDTHS} px, {', '.join(LOOKS)}")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
