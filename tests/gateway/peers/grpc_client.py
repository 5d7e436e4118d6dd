"""Calls every method of grpc_server.py; prints what came back, a line each."""

import queue
import sys

import grpc

host, port, root, certificate, key = sys.argv[1:]


def read(path):
    with open(path, "rb") as file:
        return file.read()


credentials = grpc.ssl_channel_credentials(read(root), read(key), read(certificate))
names = [("grpc.ssl_target_name_override", host), ("grpc.default_authority", host)]
with grpc.secure_channel(f"127.0.0.1:{port}", credentials, names) as channel:
    answer, call = channel.unary_unary("/test.Echo/Unary").with_call(b"hello")
    trailers = {name for name, _ in call.trailing_metadata()}
    print(answer.decode(), call.code().name, "x-trailer" in trailers, "client-cert" in trailers)
    try:
        channel.unary_unary("/test.Echo/Refused")(b"hello")
    except grpc.RpcError as error:
        print(error.code().name, error.details())
    print(*(item.decode() for item in channel.unary_stream("/test.Echo/Count")(b"")))
    # Each message is sent only when the one before it has come back: nothing waits for the end.
    asked = queue.SimpleQueue()
    answers = channel.stream_stream("/test.Echo/Chat")(iter(asked.get, None))
    for message in (b"one", b"two", b"three"):
        asked.put(message)
        print(next(answers).decode())
    asked.put(None)
    print(list(answers), answers.code().name)
