//! nginx.

use std::path::Path;

use super::server::{Server, ServerKind};
use crate::service::Service;

/// nginx, with one HTTP server whose locations the test chooses.
///
/// ```no_run
/// use childminder::servers::Nginx;
///
/// let web = Nginx::new()
///     .location("/hello", r#"return 200 "hello\n";"#)
///     .adjust(|service| service.file("html/index.html", "<h1>It works</h1>"))
///     .start()?;
/// assert!(web.url().starts_with("http://127.0.0.1:"));
/// # Ok::<(), childminder::NotReady>(())
/// ```
///
/// Settings: it listens at 127.0.0.1 with one worker process, logs errors to its output and no access, and
/// keeps all its files in the scratch directory. What no location matches is looked up in the folder `html`
/// of that directory, for files that are created by `adjust(|service| service.file("html/…", …))`. The
/// address is `http://127.0.0.1:PORT/`.
///
/// If the test runs as root, nginx runs as another user, which must be able to read the files to serve.
pub type Nginx = Server<NginxKind>;

/// The kind of [`Nginx`], with its settings.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct NginxKind {
    locations: Vec<(String, String)>,
    directives: String,
}

impl Nginx {
    /// Adds a location to the HTTP server: what follows the word `location`, such as `/` or `= /status`, and
    /// the directives inside its braces. Placeholders are filled in.
    pub fn location(mut self, path: &str, directives: &str) -> Self {
        self.kind.locations.push((path.to_owned(), directives.to_owned()));
        self
    }

    /// Adds directives to the `http` block, such as an `upstream` or another `server`. Placeholders are
    /// filled in.
    pub fn http(mut self, directives: &str) -> Self {
        self.kind.directives.push_str(directives);
        self.kind.directives.push('\n');
        self
    }
}

impl ServerKind for NginxKind {
    const PROGRAMS: &'static [&'static str] = &["nginx"];
    const PACKAGES: &'static [(&'static str, &'static str)] = &[
        ("Debian and Ubuntu", "apt install nginx-light"),
        ("Fedora", "dnf install nginx-core"),
        ("Homebrew", "brew install nginx"),
        ("Nix", "nix profile install nixpkgs#nginx"),
    ];
    const USER: &'static str = "www-data";

    fn describe(&self, _: &Path, service: Service) -> Service {
        let locations: String = self
            .locations
            .iter()
            .map(|(path, directives)| format!("        location {path} {{ {directives} }}\n"))
            .collect();
        let configuration = format!(
            "daemon off;\nworker_processes 1;\npid {{dir}}/nginx.pid;\nerror_log stderr notice;\n\
             events {{ worker_connections 256; }}\n\
             http {{\n    access_log off;\n    client_body_temp_path {{dir}}/body;\n    proxy_temp_path {{dir}}/proxy;\n    \
             fastcgi_temp_path {{dir}}/fastcgi;\n    uwsgi_temp_path {{dir}}/uwsgi;\n    scgi_temp_path {{dir}}/scgi;\n\
             {directives}    server {{\n        listen 127.0.0.1:{{port}};\n        root {{dir}}/html;\n{locations}    }}\n}}\n",
            directives = self.directives,
        );
        service
            .file("nginx.conf", configuration)
            .file("html/.keep", "")
            .args(["-e", "stderr", "-p", "{dir}", "-c", "{dir}/nginx.conf"])
            .url("http://127.0.0.1:{port}/")
    }
}
