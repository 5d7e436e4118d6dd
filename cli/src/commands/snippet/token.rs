//! How programs present a service token.

use super::Program;

/// The text for one program; `secret` is the name of the Kubernetes Secret.
pub(super) fn snippet(program: Program, secret: &str, url: &str) -> String {
    let template = match program {
        Program::Curl => CURL,
        Program::GithubActions => GITHUB_ACTIONS,
        Program::Python => PYTHON,
        Program::Go => GO,
        Program::Node => NODE,
        Program::Compose => COMPOSE,
        Program::Kubernetes => KUBERNETES,
        Program::Cron => CRON,
        Program::Nginx => return nginx(url),
        Program::Terraform => TERRAFORM,
    };
    template.replace("{url}", url).replace("{secret}", secret)
}

/// The location passes everything on, so the host must be a name that nginx can resolve.
fn nginx(url: &str) -> String {
    let uri: http::Uri = url.parse().unwrap_or_default();
    let host = uri.host().unwrap_or_default().to_owned();
    NGINX.replace("{url}", url).replace("{host}", &host)
}

const CURL: &str = r#"# The file of `postern token create … --format headers`; the secret is in no argument list.
curl --fail --header @token.headers {url}
"#;

const GITHUB_ACTIONS: &str = r#"# Repository or environment secrets: CF_ACCESS_CLIENT_ID and CF_ACCESS_CLIENT_SECRET.
jobs:
  call:
    runs-on: ubuntu-latest
    steps:
      - name: Call with the service token
        env:
          CF_ACCESS_CLIENT_ID: ${{ secrets.CF_ACCESS_CLIENT_ID }}
          CF_ACCESS_CLIENT_SECRET: ${{ secrets.CF_ACCESS_CLIENT_SECRET }}
        run: |
          curl --fail --header @- {url} <<EOF
          CF-Access-Client-Id: $CF_ACCESS_CLIENT_ID
          CF-Access-Client-Secret: $CF_ACCESS_CLIENT_SECRET
          EOF
"#;

const PYTHON: &str = r#"import os
import urllib.request

request = urllib.request.Request(
    "{url}",
    headers={
        "CF-Access-Client-Id": os.environ["CF_ACCESS_CLIENT_ID"],
        "CF-Access-Client-Secret": os.environ["CF_ACCESS_CLIENT_SECRET"],
    },
)
with urllib.request.urlopen(request, timeout=10) as response:
    print(response.status)
"#;

const GO: &str = r#"package main

import (
	"fmt"
	"log"
	"net/http"
	"os"
	"time"
)

func main() {
	request, err := http.NewRequest(http.MethodGet, "{url}", nil)
	if err != nil {
		log.Fatal(err)
	}
	request.Header.Set("CF-Access-Client-Id", os.Getenv("CF_ACCESS_CLIENT_ID"))
	request.Header.Set("CF-Access-Client-Secret", os.Getenv("CF_ACCESS_CLIENT_SECRET"))
	client := &http.Client{
		Timeout: 10 * time.Second,
		// A redirect would carry the headers to a login page.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	response, err := client.Do(request)
	if err != nil {
		log.Fatal(err)
	}
	defer response.Body.Close()
	fmt.Println(response.StatusCode)
}
"#;

const NODE: &str = r#"const https = require("node:https");

const request = https.get(
  "{url}",
  {
    headers: {
      "CF-Access-Client-Id": process.env.CF_ACCESS_CLIENT_ID,
      "CF-Access-Client-Secret": process.env.CF_ACCESS_CLIENT_SECRET,
    },
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

const COMPOSE: &str = r#"# token.env is the file of `postern token create … --format dotenv`; keep it out of the repository.
services:
  client:
    image: example/client
    env_file:
      - token.env
    environment:
      TARGET_URL: {url}
"#;

const KUBERNETES: &str = r#"# The Secret: postern token create … --format k8s --pipe 'kubectl apply -f -'
apiVersion: batch/v1
kind: Job
metadata:
  name: {secret}
spec:
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: client
          image: example/client
          env:
            - name: TARGET_URL
              value: "{url}"
            - name: CF_ACCESS_CLIENT_ID
              valueFrom:
                secretKeyRef:
                  name: {secret}
                  key: client-id
            - name: CF_ACCESS_CLIENT_SECRET
              valueFrom:
                secretKeyRef:
                  name: {secret}
                  key: client-secret
"#;

const CRON: &str = r#"# The file of `postern token create … --format headers`, mode 0600; no secret is in the crontab.
0 2 * * * curl --fail --silent --show-error --max-time 60 --header @/etc/postern/token.headers --output /dev/null {url}
"#;

const NGINX: &str = r#"# In the server or location that calls {host}. The included file is mode 0600 and holds
#   proxy_set_header CF-Access-Client-Id     "…";
#   proxy_set_header CF-Access-Client-Secret "…";
location / {
    include                 /etc/nginx/secrets/token.conf;
    proxy_set_header        Host {host};
    proxy_ssl_server_name   on;
    proxy_ssl_name          {host};
    proxy_ssl_verify        on;
    proxy_ssl_trusted_certificate /etc/ssl/certs/ca-certificates.crt;
    proxy_pass              {url};
}
"#;

const TERRAFORM: &str = r#"# The http data source keeps request headers in the state, so the call is made by curl with the
# file of `postern token create … --format headers`: nothing of the secret is in plan or state.
resource "terraform_data" "call" {
  triggers_replace = [timestamp()]

  provisioner "local-exec" {
    command = "curl --fail --silent --show-error --max-time 10 --header @token.headers --output response.json {url}"
  }
}
"#;
