use proxy_header::{ProxiedAddress, ProxyHeader};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;

use super::*;

const BALANCER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
const BEHIND: &[u8] = b"\x16\x03\x01 and the rest\n";

/// What is read of octets that come in pieces, and what is left for whoever reads next.
async fn read_of(pieces: &[&[u8]]) -> (Result<Option<String>, ProxyHeaderError>, Vec<u8>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut balancer = TcpStream::connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    balancer.set_nodelay(true).unwrap();
    let (mut socket, _) = listener.accept().await.unwrap();
    let sending = async {
        for piece in pieces {
            balancer.write_all(piece).await.unwrap();
            tokio::task::yield_now().await;
        }
        balancer.shutdown().await.unwrap();
    };
    let (read, ()) = tokio::join!(read(&mut socket, BALANCER), sending);
    let mut rest = Vec::new();
    socket.read_to_end(&mut rest).await.unwrap();
    (read.map(|found| found.map(|it| it.to_string())), rest)
}

fn version_2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [&SIGNATURE[..], &[command, family], &length, rest].concat()
}

fn proxied(source: &str, destination: &str) -> Vec<u8> {
    let address = ProxiedAddress::stream(source.parse().unwrap(), destination.parse().unwrap());
    let mut header = [0; 256];
    let length = ProxyHeader::with_address(address)
        .encode_to_slice_v2(&mut header)
        .unwrap();
    header.get(..length).unwrap().to_vec()
}

#[tokio::test]
async fn the_client_is_found_and_not_one_octet_behind_the_header_is_taken() {
    let long = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
    let longest = format!("PROXY UNKNOWN {long} {long} 65535 65535\r\n");
    assert_eq!(longest.len(), VERSION_1_MAX);
    let v4 = proxied("192.0.2.7:1", "10.0.0.9:443");
    let v6 = proxied("[2001:db8::7]:1", "[::1]:443");
    let mapped = proxied("[::ffff:192.0.2.7]:1", "[::1]:443");
    let tlvs = [&[192, 0, 2, 7, 10, 0, 0, 9, 0, 1, 1, 187][..], &[0xEE; 900]].concat();
    let with_tlvs = version_2(0x21, 0x11, &tlvs);
    let local = version_2(0x20, 0x00, b"");
    let unix = version_2(0x21, 0x31, &[b'/'; 216]);
    for (header, expected) in [
        (
            &b"PROXY TCP4 192.0.2.7 10.0.0.9 1 443\r\n"[..],
            Some("192.0.2.7"),
        ),
        (b"PROXY TCP6 2001:db8::7 ::1 1 443\r\n", Some("2001:db8::7")),
        (b"PROXY UNKNOWN\r\n", None),
        (longest.as_bytes(), None),
        (&v4, Some("192.0.2.7")),
        (&v6, Some("2001:db8::7")),
        (&mapped, Some("192.0.2.7")),
        (&with_tlvs, Some("192.0.2.7")),
        (&local, None),
        (&unix, None),
    ] {
        let at_once = [header, BEHIND].concat();
        let octet_by_octet: Vec<&[u8]> = at_once.chunks(1).collect();
        for pieces in [&[&at_once[..]][..], &octet_by_octet] {
            let (found, rest) = read_of(pieces).await;
            let found = found.unwrap();
            assert_eq!(found.as_deref(), expected, "{}", header.escape_ascii());
            assert_eq!(rest, BEHIND, "{}", header.escape_ascii());
        }
    }
}

#[tokio::test]
async fn whatever_else_a_balancer_sends_is_refused_with_the_reason() {
    let endless = [b"PROXY UNKNOWN ", &[b'x'; 200][..]].concat();
    let too_long = version_2(0x21, 0x11, &[0; VERSION_2_MAX]);
    let datagram = version_2(0x21, 0x12, &[192, 0, 2, 7, 10, 0, 0, 9, 0, 1, 1, 187]);
    let short = version_2(0x21, 0x11, &[192, 0, 2, 7]);
    let version_3 = version_2(0x31, 0x11, &[0; 12]);
    let command = version_2(0x22, 0x11, &[0; 12]);
    let family = version_2(0x21, 0x41, &[0; 12]);
    let missing = "10.0.0.1 is listed in `proxy_protocol`";
    for (octets, expected) in [
        (&b""[..], "the connection ended"),
        (b"PROXY TCP4 1", "the connection ended"),
        (&SIGNATURE, "the connection ended"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\0", missing),
        (b"GET / HTTP/1.1\r\n\r\n", missing),
        (b"proxy TCP4 192.0.2.7 10.0.0.9 1 443\r\n", missing),
        (b"PROXY\tTCP4 192.0.2.7 10.0.0.9 1 443\r\n", missing),
        (&endless, "more than 107 octets"),
        (&too_long, "more than 2048 octets"),
        (&datagram, "not about a TCP connection"),
        (&short, "is invalid"),
        (&version_3, "is invalid"),
        (&command, "is invalid"),
        (&family, "is invalid"),
        (b"PROXY TCP4 2001:db8::7 ::1 1 443\r\n", "is invalid"),
        (b"PROXY TCP6 192.0.2.7 10.0.0.9 1 443\r\n", "is invalid"),
        (b"PROXY TCP4 192.0.2.07 10.0.0.9 1 443\r\n", "is invalid"),
        (b"PROXY TCP4 192.0.2.7 10.0.0.9 1 65536\r\n", "is invalid"),
        (b"PROXY TCP4 192.0.2.7 10.0.0.9 1 443\n", "is invalid"),
        (b"PROXY TCP4  192.0.2.7 10.0.0.9 1 443\r\n", "is invalid"),
        (b"PROXY TCP4 localhost 10.0.0.9 1 443\r\n", "is invalid"),
        (b"PROXY UDP4 192.0.2.7 10.0.0.9 1 443\r\n", "is invalid"),
    ] {
        let (found, _) = read_of(&[octets]).await;
        let error = found.unwrap_err().to_string();
        assert!(
            error.contains(expected),
            "{}: {error}",
            octets.escape_ascii()
        );
    }
}

/// Every header with any one octet changed, left out, doubled, or all behind it cut off.
#[test]
fn a_damaged_header_is_an_address_or_an_error_and_never_a_panic() {
    let headers = [
        b"PROXY TCP4 192.0.2.7 10.0.0.9 1 443\r\n".to_vec(),
        b"PROXY TCP6 2001:db8::7 ::1 1 443\r\n".to_vec(),
        proxied("192.0.2.7:1", "10.0.0.9:443"),
        proxied("[2001:db8::7]:1", "[::1]:443"),
        version_2(0x21, 0x31, &[b'/'; 216]),
        version_2(0x20, 0x00, &[4, 0, 200]),
    ];
    let mut refused = 0;
    for header in headers {
        assert!(parse(&header).is_ok(), "{}", header.escape_ascii());
        for place in 0..header.len() {
            let (before, behind) = header.split_at(place);
            let (own, after) = behind.split_at(1);
            let changed = (0..=u8::MAX).map(|octet| [before, &[octet], after].concat());
            let others = [
                before.to_vec(),
                [before, after].concat(),
                [before, own, own, after].concat(),
            ];
            for damaged in changed.chain(others) {
                refused += usize::from(parse(&damaged).is_err());
            }
        }
    }
    assert!(refused > 1_000, "{refused}");
}
