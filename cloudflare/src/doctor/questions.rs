//! What only a live account can settle.

use serde::Serialize;

/// A question about Cloudflare that no documentation answers.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct LiveQuestion {
    /// Its name, for scripts.
    pub id: &'static str,
    /// What is asked.
    pub question: &'static str,
    /// What would be tried.
    pub tried: &'static str,
    /// What Postern takes for true meanwhile.
    pub assumed: &'static str,
    /// Who can try it.
    pub how: How,
}

/// Who can try it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// `live_probe`, on throw-away objects.
    Additive,
    /// `live_probe`, where it is given a throw-away host in one of the account's zones.
    AdditiveOnHost,
    /// A person: it takes a real client, a wait, or a change of what is in use.
    ByHand,
}

/// Lists the questions.
pub fn live_probe_questions() -> &'static [LiveQuestion] {
    &QUESTIONS
}

const QUESTIONS: [LiveQuestion; 19] = [
    LiveQuestion {
        id: "mtls-upload",
        question: "What is an account without Access mTLS answered, reading and uploading?",
        tried: "upload a throw-away CA without hosts",
        assumed: "a refusal whose key ends in `not_enabled`; an empty list proves nothing",
        how: How::Additive,
    },
    LiveQuestion {
        id: "duplicate-ca",
        question: "With what status and code is a CA refused that is uploaded already?",
        tried: "upload the same throw-away CA twice",
        assumed: "any 4xx; whoever gets one lists and compares",
        how: How::Additive,
    },
    LiveQuestion {
        id: "pattern-as-common-name",
        question: "Is a `common_name` rule with `*` or a regular expression accepted?",
        tried: "make an unused group with such a rule",
        assumed: "accepted and compared octet by octet, so it admits nobody; never sent",
        how: How::Additive,
    },
    LiveQuestion {
        id: "bad-rule",
        question: "How is a rule refused that names a token which does not exist?",
        tried: "make an unused group with such a rule",
        assumed: "500 `internal_server_error` or 400, and nothing is made",
        how: How::Additive,
    },
    LiveQuestion {
        id: "everyone-as-service-auth",
        question: "Is `everyone` accepted in a Service Auth policy?",
        tried: "make a reusable policy with it that no application uses",
        assumed: "accepted, and then anybody passes; never sent",
        how: How::Additive,
    },
    LiveQuestion {
        id: "token-in-use",
        question: "With what status and code is the deletion of a token refused that a group names?",
        tried: "delete a throw-away token that a throw-away group names",
        assumed: "400, 12139 `service_token_in_use`",
        how: How::Additive,
    },
    LiveQuestion {
        id: "secret-form",
        question: "What does a client secret look like?",
        tried: "mint a throw-away token and look at length and prefix only",
        assumed: "`cfast_`, 40 letters and digits, 8 of a checksum; any text is taken",
        how: How::Additive,
    },
    LiveQuestion {
        id: "rotate-without-overlap",
        question: "May a rotation say that the previous secret ended in the past?",
        tried: "rotate a throw-away token with a time that has passed",
        assumed: "accepted, and the previous secret is dead at once",
        how: How::Additive,
    },
    LiveQuestion {
        id: "active-associations",
        question: "With what status and code is a CA with hosts refused deletion, and how long \
                   after they were cleared?",
        tried: "associate a throw-away CA with the throw-away host, delete, clear, delete again",
        assumed: "409 with `active associations`, for less than a minute",
        how: How::AdditiveOnHost,
    },
    LiveQuestion {
        id: "several-cas-for-a-host",
        question: "May a host have two CAs, so that an intermediate can be replaced without a gap?",
        tried: "associate two throw-away CAs with the throw-away host",
        assumed: "accepted, and both are asked for",
        how: How::AdditiveOnHost,
    },
    LiveQuestion {
        id: "taken-precedence",
        question: "What happens to a policy that asks for a place that another one has?",
        tried: "an application on the throw-away host, and two policies with precedence 1",
        assumed: "refused or shifted; only free numbers are asked for",
        how: How::AdditiveOnHost,
    },
    LiveQuestion {
        id: "over-the-limit",
        question: "With what status and code is a create over an account's limit refused?",
        tried: "mint 51 service tokens",
        assumed: "any 4xx; counted before by `plan`",
        how: How::ByHand,
    },
    LiveQuestion {
        id: "common-name-compare",
        question: "How does the edge compare common names: case, two of them, none?",
        tried: "four clients against an exact rule",
        assumed: "octet by octet; our CA issues exactly one, and no client without one",
        how: How::ByHand,
    },
    LiveQuestion {
        id: "root-only-upload",
        question: "Does a root alone do where clients send their intermediate?",
        tried: "upload the root alone, connect with and without the chain",
        assumed: "not relied on: intermediate and root are uploaded, leaf and intermediate sent",
        how: How::ByHand,
    },
    LiveQuestion {
        id: "sister-intermediates",
        question: "Is a client admitted that sends another intermediate of an uploaded root?",
        tried: "connect with a certificate of such an intermediate",
        assumed: "yes: everything under an uploaded root is trusted; one root for a trust zone",
        how: How::ByHand,
    },
    LiveQuestion {
        id: "mtls-jwt",
        question: "What does the JWT of a certificate's login hold?",
        tried: "connect with a certificate and read `Cf-Access-Jwt-Assertion` at the origin",
        assumed: "`type: app`, empty `sub`, the CN in `common_name`, no `email`, perhaps no `nbf`",
        how: How::ByHand,
    },
    LiveQuestion {
        id: "forwarded-certificate",
        question: "Does `Cf-Client-Cert-Der-Base64` come on each request of a connection?",
        tried: "two requests on one connection, with forwarding on",
        assumed: "not relied on: it counts for the request that carries it",
        how: How::ByHand,
    },
    LiveQuestion {
        id: "patch-organization",
        question: "Does `PATCH organizations` exist (documented, but in no SDK)?",
        tried: "PATCH one setting to the value it has",
        assumed: "not relied on: the organization is only read",
        how: How::ByHand,
    },
    LiveQuestion {
        id: "inactive-tokens",
        question: "Does the clean-up of inactive tokens spare one that only a group names?",
        tried: "a token in a group only, unused for longer than the setting",
        assumed: "no: our policies name each token directly",
        how: How::ByHand,
    },
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_question_has_a_name_of_its_own() {
        let ids: HashSet<_> = QUESTIONS.iter().map(|question| question.id).collect();
        assert_eq!(ids.len(), QUESTIONS.len());
    }
}
