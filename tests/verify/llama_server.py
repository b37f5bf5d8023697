"""A real llama-server in a process of its own, by the xllamacpp wheel: python llama_server.py FILE; prints its address."""

import sys
import threading

import xllamacpp

parameters = xllamacpp.CommonParams()
parameters.model.path = sys.argv[1]
parameters.n_ctx, parameters.n_parallel, parameters.n_gpu_layers, parameters.port = 1024, 1, 0, 0
parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = 1
server = xllamacpp.Server(parameters)
print(server.listening_address, flush=True)
# Until whoever started it goes away or kills it.
threading.Thread(target=sys.stdin.read, daemon=False).start()
