// Receives OrderCloud's webhooks behind the guard of its own middleware: node ordercloud_hooks.mjs HASH_KEY
// Prints the port, then for each call {"body": ...}, or {"refused": status} if the guard did not let it pass.
import { createServer } from 'node:http'
import catalyst from '@ordercloud/catalyst'

const say = (what) => console.log(JSON.stringify(what))
const pass = (request, response) => {
  say({ body: request.body })
  response.end()
}
const guarded = catalyst.withOcWebhookAuth(pass, process.argv[2])
const server = createServer((request, response) => {
  guarded(request, response, (error) => {
    say({ refused: error.status })
    response.writeHead(error.status).end()
  })
})
server.listen(0, '127.0.0.1', () => say({ port: server.address().port }))
process.stdin.on('end', () => process.exit()).resume()
