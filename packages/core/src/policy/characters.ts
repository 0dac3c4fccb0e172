/** Characters that no line of text holds. */

/** C0 and C1 controls, DEL, and the two Unicode line ends. */
export function hasControl(text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index)
    if (unit < 0x20 || (unit >= 0x7f && unit <= 0x9f) || unit === 0x2028 || unit === 0x2029) {
      return true
    }
  }
  return false
}

/** Whether every character is below U+0300: none combines, none decomposes further. */
export function isPlain(text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    if (text.charCodeAt(index) >= 0x300) return false
  }
  return true
}
