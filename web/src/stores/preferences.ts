/** Type size, contrast and language of this computer; applied to <html>. */
import { defineStore } from 'pinia'
import { ref, watch } from 'vue'
import { setRequestLanguage } from '@/api/http'
import { i18n, type Locale } from '@/i18n'

export type TypeSize = 'normal' | 'large' | 'huge'
const KEY = 'xiangyun.preferences'

interface Stored {
  typeSize: TypeSize
  highContrast: boolean
  locale: Locale
}

function parsed(text: string | null): Partial<Stored> {
  try {
    return (JSON.parse(text ?? '{}') ?? {}) as Partial<Stored>
  } catch {
    return {}
  }
}

function read(): Stored {
  const raw = parsed(localStorage.getItem(KEY))
  return {
    typeSize: raw.typeSize === 'large' || raw.typeSize === 'huge' ? raw.typeSize : 'normal',
    highContrast: raw.highContrast === true,
    locale: raw.locale === 'en' ? 'en' : 'zh-CN',
  }
}

export const usePreferences = defineStore('preferences', () => {
  const stored = read()
  const typeSize = ref<TypeSize>(stored.typeSize)
  const highContrast = ref(stored.highContrast)
  const locale = ref<Locale>(stored.locale)

  watch(
    [typeSize, highContrast, locale],
    () => {
      const root = document.documentElement
      root.dataset['type'] = typeSize.value
      root.dataset['contrast'] = highContrast.value ? 'high' : 'normal'
      root.lang = locale.value
      i18n.global.locale.value = locale.value
      setRequestLanguage(locale.value)
      document.title = i18n.global.t('brand.title')
      const value: Stored = { typeSize: typeSize.value, highContrast: highContrast.value, locale: locale.value }
      localStorage.setItem(KEY, JSON.stringify(value))
    },
    { immediate: true },
  )

  return { typeSize, highContrast, locale }
})
