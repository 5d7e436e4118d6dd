"""A gRPC service without generated code: echoes, counts, refuses. Says where it listens."""

from concurrent import futures

import grpc


def unary(request, context):
    context.set_trailing_metadata((("x-trailer", "kept"), ("client-cert", "forged")))
    return request


def refused(request, context):
    context.abort(grpc.StatusCode.NOT_FOUND, "there is no such thing")


def count(request, context):
    for number in range(3):
        yield str(number).encode()


def chat(requests, context):
    yield from requests


handlers = {
    "Unary": grpc.unary_unary_rpc_method_handler(unary),
    "Refused": grpc.unary_unary_rpc_method_handler(refused),
    "Count": grpc.unary_stream_rpc_method_handler(count),
    "Chat": grpc.stream_stream_rpc_method_handler(chat),
}
server = grpc.server(futures.ThreadPoolExecutor())
server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("test.Echo", handlers)])
port = server.add_insecure_port("127.0.0.1:0")
server.start()
print(port, flush=True)
server.wait_for_termination()
