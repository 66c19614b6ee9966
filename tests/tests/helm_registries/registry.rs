//! A real registry (distribution), on a port of the system's choice.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use mcpt_tests::beside_helm::program;
use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

/// The user `u` with the password `w`.
const USERS: &str = "u:$2a$04$5Hs8WteNf7pY3cSL/JTJxua8BlCuvyNR8tzzxsWg5PR/9XjYGLyQO\n";

/// How a registry is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// Over HTTP, with a user and a password.
    Login,
    /// Over TLS, by anybody.
    Tls,
    /// Over TLS, with a certificate.
    Certificate,
}

/// A registry that runs until it is dropped.
#[derive(Debug)]
pub(crate) struct Registry {
    process: Child,
    /// Host and port.
    pub(crate) address: String,
}

/// Certificates of one authority, as files.
#[derive(Debug)]
pub(crate) struct Certificates(PathBuf);

impl Certificates {
    /// An authority, a server's certificate for 127.0.0.1 and a client's, in a folder.
    pub(crate) fn make(folder: &Path) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let authority = params.self_signed(&key).unwrap();
        let issuer = Issuer::new(params, key);
        fs::write(folder.join("ca.pem"), authority.pem()).unwrap();
        for (name, host, usage) in [
            ("server", "127.0.0.1", ExtendedKeyUsagePurpose::ServerAuth),
            ("client", "client", ExtendedKeyUsagePurpose::ClientAuth),
        ] {
            let key = KeyPair::generate().unwrap();
            let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
            params.extended_key_usages = vec![usage];
            let signed = params.signed_by(&key, &issuer).unwrap();
            fs::write(folder.join(format!("{name}.pem")), signed.pem()).unwrap();
            fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).unwrap();
        }
        Self(folder.to_owned())
    }

    /// The path of one of them.
    pub(crate) fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }
}

impl Registry {
    /// Starts one that keeps all in a folder.
    pub(crate) fn start(folder: &Path, way: Way, certificates: &Certificates) -> Self {
        fs::create_dir_all(folder).unwrap();
        let users = folder.join("users");
        fs::write(&users, USERS).unwrap();
        let mut config = format!(
            "version: 0.1\nlog: {{level: info, accesslog: {{disabled: true}}}}\n\
             storage: {{filesystem: {{rootdirectory: '{}'}}}}\n",
            folder.join("content").display()
        );
        if way == Way::Login {
            let users = users.display();
            // Writing to a string cannot fail.
            let _ = writeln!(
                config,
                "auth: {{htpasswd: {{realm: charts, path: '{users}'}}}}"
            );
        }
        config.push_str("http:\n  addr: 127.0.0.1:0\n  secret: none\n");
        if way != Way::Login {
            let (certificate, key) = (
                certificates.path("server.pem"),
                certificates.path("server.key"),
            );
            let _ = writeln!(
                config,
                "  tls:\n    certificate: '{certificate}'\n    key: '{key}'"
            );
        }
        if way == Way::Certificate {
            let _ = writeln!(config, "    clientcas: ['{}']", certificates.path("ca.pem"));
        }
        let file = folder.join("config.yaml");
        fs::write(&file, config).unwrap();
        let mut process = Command::new(program("MCPT_REGISTRY", "registry"))
            .args(["serve", file.to_str().unwrap()])
            .env("OTEL_TRACES_EXPORTER", "none")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let mut said = Vec::new();
        let address = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let found = line
                .split_once("listening on ")
                .map(|(_, after)| after.split([' ', '"', ',']).next().unwrap().to_owned());
            said.push(line);
            found
        });
        // What it still says must go somewhere.
        thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        assert!(address.is_some(), "the registry ended: {said:#?}");
        let address = address.unwrap();
        Self { process, address }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
