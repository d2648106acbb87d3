//! A browser in a test: a page of a real server in a real Chromium, of which nothing is left afterwards.
//!
//! It needs `chromedriver`, a Chromium that it finds, and `python3`: on Debian `apt install chromium
//! chromium-driver`.

use childminder::{Port, Service, WebDriver};

const PAGE: &str = "<title>A shop</title><h1>Empty</h1>
<button onclick=\"document.querySelector('h1').textContent = 'One apple'\">Buy an apple</button>";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    if let Some(missing) =
        ["chromedriver", "chromium", "python3"].into_iter().find(|name| !is_installed(name))
    {
        println!("skipped: {missing} is not installed");
        return Ok(());
    }
    let files = tempfile::tempdir()?;
    std::fs::write(files.path().join("index.html"), PAGE)?;
    let port = Port::reserve()?;
    let _shop = Service::new("python3")
        .args(["-m", "http.server", "--bind", "127.0.0.1", &port.to_string()])
        .cwd(files.path())
        .port(&port)
        .start()?;

    let browser = WebDriver::chromedriver().window(1024, 768).start()?;
    browser.navigate(&format!("http://127.0.0.1:{port}/"))?;
    println!("the title is {:?}", browser.title()?);
    browser.click(&browser.find("button")?)?;
    println!("the heading is {:?}", browser.text(&browser.find("h1")?)?);
    let picture = browser.screenshot()?;
    println!("the picture is {}", if picture.starts_with(b"\x89PNG") { "a PNG" } else { "something else" });

    // An error has the whole report.
    let error = browser.find("#basket").expect_err("there is none");
    println!("{}", error.to_string().lines().next().unwrap_or_default());

    let dir = browser.dir().to_owned();
    browser.close()?;
    println!("gone: {}", !dir.exists());
    Ok(())
}

fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(program).exists())
}
