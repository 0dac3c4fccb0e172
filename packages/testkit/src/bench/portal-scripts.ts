/** What runs inside pages of the portal's benchmark; text, since it runs elsewhere. */

/**
 * Before the portal's own scripts: notes when a row of the injected events and a card are on screen
 * (the frame after the change was painted), and long tasks. Times are `Date.now()` of the one machine.
 */
export const WATCH_SCRIPT = `(() => {
  const seen = { rows: [], cards: [], long: [], frames: 0 }
  globalThis.benchSeen = seen
  const cards = new Set()
  let last = -1
  let asked = false
  const look = () => {
    asked = false
    seen.frames += 1
    const now = Date.now()
    const row = /bench (\\d+)/.exec(document.querySelector('#content ul li, #content ol li')?.textContent ?? '')
    if (row !== null && Number(row[1]) > last) {
      last = Number(row[1])
      seen.rows.push([last, now])
    }
    for (const card of document.querySelectorAll('[id^=item-act_]')) {
      if (cards.has(card.id)) continue
      cards.add(card.id)
      seen.cards.push([card.id.slice(5), now])
    }
  }
  const painted = new MessageChannel()
  painted.port1.onmessage = look
  new MutationObserver(() => {
    if (asked) return
    asked = true
    requestAnimationFrame(() => painted.port2.postMessage(0))
  }).observe(document, { subtree: true, childList: true, characterData: true })
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) seen.long.push(duration)
  }).observe({ type: 'longtask', buffered: true })
})()`

/** The floor: no application, the same identity, NATS spoken by hand, the text put into a list. */
export const FLOOR_SCRIPT = `(async () => {
  const { bus } = await (await fetch('/api/session')).json()
  const list = document.querySelector('ol')
  const socket = new WebSocket(bus.url)
  socket.binaryType = 'arraybuffer'
  const text = new TextDecoder()
  await new Promise((resolve, reject) => {
    socket.onerror = reject
    socket.onmessage = ({ data }) => {
      const said = text.decode(data)
      if (said.startsWith('INFO')) {
        socket.send('CONNECT {"verbose":false,"pedantic":false,"headers":true,"no_responders":true,"protocol":1,"lang":"bench","version":"1"}\\r\\nSUB ' + bus.subject + ' 1\\r\\nPING\\r\\n')
      }
      if (/^PING/m.test(said)) socket.send('PONG\\r\\n')
      if (/^PONG/m.test(said)) resolve()
      for (const [row] of said.matchAll(/bench \\d+/g)) {
        const item = document.createElement('li')
        item.textContent = row
        list.prepend(item)
        if (list.childElementCount > 600) list.lastElementChild.remove()
      }
    }
  })
})()`

export const FLOOR_PAGE = '<!doctype html><title>floor</title><main id="content"><ol></ol></main>'

/** The list of approvals stays at its end, where the newest card is. */
export const STAY_AT_END_SCRIPT = `(() => {
  const list = document.querySelector('section[aria-labelledby=list-title]')
  globalThis.benchEnd = setInterval(() => list.scrollTo(0, list.scrollHeight), 50)
})()`
