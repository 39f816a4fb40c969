"""What several test files need."""
import pytest
import site_checks


@pytest.fixture(scope="module")
def browser():
    """Chromium; without one the tests are skipped here and fail in CI."""
    path = site_checks.find_browser()
    if not path:
        message = "no Chromium on this machine, so nothing is looked at; install it: apt-get install chromium"
        pytest.fail(message, pytrace=False) if site_checks.in_ci() else pytest.skip(message)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = site_checks.Chromium(playwright, path)
        yield running
        running.close()
