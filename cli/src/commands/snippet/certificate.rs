//! How programs present a client certificate.

use super::Program;
use crate::error::CommandError;

/// The text for one program, where certificates are presented by it.
pub(super) fn snippet(program: Program, name: &str, url: &str) -> Result<String, CommandError> {
    let template = match program {
        Program::Curl => CURL,
        Program::Python => PYTHON,
        Program::Go => GO,
        Program::Node => NODE,
        Program::GithubActions
        | Program::Compose
        | Program::Kubernetes
        | Program::Cron
        | Program::Nginx
        | Program::Terraform => {
            return Err(CommandError::usage(
                "for a certificate there are snippets for curl, python, go and node",
            )
            .hint("the others carry service tokens; give them the two files like any other"));
        }
    };
    Ok(template.replace("{url}", url).replace("{name}", name))
}

const CURL: &str = r#"curl --fail --cert '{name}.crt' --key '{name}.key' {url}
"#;

const PYTHON: &str = r#"import ssl
import urllib.request

context = ssl.create_default_context()
context.load_cert_chain("{name}.crt", "{name}.key")
with urllib.request.urlopen("{url}", timeout=10, context=context) as response:
    print(response.status)
"#;

const GO: &str = r#"package main

import (
	"crypto/tls"
	"fmt"
	"log"
	"net/http"
	"time"
)

func main() {
	certificate, err := tls.LoadX509KeyPair("{name}.crt", "{name}.key")
	if err != nil {
		log.Fatal(err)
	}
	client := &http.Client{
		Timeout: 10 * time.Second,
		Transport: &http.Transport{
			TLSClientConfig: &tls.Config{Certificates: []tls.Certificate{certificate}},
		},
	}
	response, err := client.Get("{url}")
	if err != nil {
		log.Fatal(err)
	}
	defer response.Body.Close()
	fmt.Println(response.StatusCode)
}
"#;

const NODE: &str = r#"const fs = require("node:fs");
const https = require("node:https");

const request = https.get(
  "{url}",
  {
    cert: fs.readFileSync("{name}.crt"),
    key: fs.readFileSync("{name}.key"),
    timeout: 10_000,
  },
  (response) => {
    console.log(response.statusCode);
    response.resume();
  },
);
request.on("timeout", () => request.destroy(new Error("no answer within 10 s")));
request.on("error", (error) => {
  console.error(error.message);
  process.exitCode = 1;
});
"#;
