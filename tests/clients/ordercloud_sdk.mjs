// Drives an OrderCloud API by its own JavaScript SDK: node ordercloud_sdk.mjs BASE_URL CLIENT_ID SECRET
import sdk from 'ordercloud-javascript-sdk'

const { Auth, Configuration, LineItems, Me, Orders, Tokens } = sdk
const [baseApiUrl, client, secret] = process.argv.slice(2)
Configuration.Set({ baseApiUrl, timeoutInMilliseconds: 20000 })

async function refused(call) {
  try {
    await call()
    return null
  } catch (error) {
    if (!error.isOrderCloudError) throw error
    return { status: error.status, code: error.errorCode, message: error.message }
  }
}

const told = {}
told.badSecret = await refused(() => Auth.ClientCredentials('wrong', client, ['FullAccess']))
const token = await Auth.ClientCredentials(secret, client, ['FullAccess'])
const as = { accessToken: token.access_token }
told.token = { type: token.token_type, seconds: token.expires_in }
told.me = (await Me.Get(as)).Username
told.page = (await Orders.List('Incoming', { page: 2, pageSize: 10, sortBy: ['!LastUpdated', 'ID'] }, as)).Meta

const buyer = { FromCompanyID: 'storefront', FromUserID: 'buyer' }
told.created = await Orders.Create('Incoming', { ID: 'JS-1', ...buyer, xp: { shop: 'a', no: 7 } }, as)
told.conflict = await refused(() => Orders.Create('Incoming', { ID: 'JS-1', ...buyer }, as))
told.noLines = await refused(() => Orders.Submit('Incoming', 'JS-1', as))
told.line = await LineItems.Save('Incoming', 'JS-1', 'L1', { ProductID: 'SKU-1', Quantity: 3, UnitPrice: 0.1 }, as)
const home = { Street1: 'Jumpstreet 23', City: 'LA', State: 'CA', Zip: '90001', Country: 'US' }
told.city = (await Orders.SetBillingAddress('Incoming', 'JS-1', home, as)).BillingAddress.City
await Orders.SetShippingAddress('Incoming', 'JS-1', home, as)
told.patched = (await Orders.Patch('Incoming', 'JS-1', { Comments: 'patched', ShippingCost: 0.2 }, as)).Comments
told.submitted = await Orders.Submit('Incoming', 'JS-1', as)
told.again = await refused(() => Orders.Submit('Incoming', 'JS-1', as))
told.read = await Orders.Get('Incoming', 'JS-1', as)
told.lines = (await LineItems.List('Incoming', 'JS-1', { pageSize: 100 }, as)).Items
const filters = { LastUpdated: ['!<' + told.read.LastUpdated, '!>2999-01-01'], xp: { shop: 'a' } }
told.filtered = (await Orders.List('Incoming', { filters }, as)).Items.map((order) => order.ID)
told.saved = await Orders.Save('Incoming', 'JS-1', { xp: { only: 1 } }, as)
told.cancelled = (await Orders.Cancel('Incoming', 'JS-1', as)).Status
await Orders.Delete('Incoming', 'JS-1', as)
told.gone = await refused(() => Orders.Get('Incoming', 'JS-1', as))
// The SDK looks into a token before it sends it, so a bad one is a good one with another signature.
const bad = token.access_token.replace(/[^.]*$/, 'AAAA')
told.badToken = await refused(() => Orders.List('Incoming', {}, { accessToken: bad }))
// Its own way to renew: it finds the client in the expired token.
if (token.refresh_token) {
  Tokens.SetRefreshToken(token.refresh_token)
  const [head, claims, mark] = token.access_token.split('.')
  const over = { ...JSON.parse(Buffer.from(claims, 'base64url')), exp: 1 }
  const expired = [head, Buffer.from(JSON.stringify(over)).toString('base64url'), mark].join('.')
  told.renewed = (await Me.Get({ accessToken: expired })).Username
}
console.log(JSON.stringify(told))
