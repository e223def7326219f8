"""Asks the vLLM of this pod whether it is well. The kubelet's own probes have no certificate to show.

Arguments: the folder of ca.crt, tls.crt and tls.key; the port. Ends with 0 when the reply is 200.
"""

import http.client
import ssl
import sys

folder, port = sys.argv[1:]
context = ssl.create_default_context(cafile=f"{folder}/ca.crt")
# The certificate has the name of the Service, not the address of the pod.
context.check_hostname = False
context.load_cert_chain(f"{folder}/tls.crt", f"{folder}/tls.key")
connection = http.client.HTTPSConnection("127.0.0.1", int(port), timeout=4, context=context)
connection.request("GET", "/health")
sys.exit(0 if connection.getresponse().status == 200 else 1)
